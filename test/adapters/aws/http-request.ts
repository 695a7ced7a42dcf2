/** A plain GET to this machine, in the form that the SDK's handlers accept. */
export class HttpRequest {
  readonly method = 'GET';
  readonly protocol = 'http:';
  readonly hostname = '127.0.0.1';
  readonly query = {};
  readonly headers = {};
  readonly port: number;
  readonly path: string;

  constructor(port: number, path: string) {
    this.port = port;
    this.path = path;
  }

  clone(): HttpRequest {
    return this;
  }
}
