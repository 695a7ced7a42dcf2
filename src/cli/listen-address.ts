import { BatchctlError } from '../errors.ts';

/** The address that a server listens on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[::1]:8787`, or `:8787` for all addresses. Throws `usage`. */
export function parseListen(text: string): ListenAddress {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]/\s]*):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new BatchctlError('usage', `expected HOST:PORT, such as 127.0.0.1:8787 or [::]:443, found "${text}"`);
  }
  return { host: host === '' ? '0.0.0.0' : host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
