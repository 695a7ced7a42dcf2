// fauxqs on a free port of 127.0.0.1, with a clock that a test can move: GET /pass/SECONDS on a second port moves the queues'
// clock forward. Prints both ports, the queues' last.
import { createServer, ServerResponse } from 'node:http';
import { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// fauxqs listens on all addresses of the machine, and has no option to change that.
const listen = Server.prototype.listen;
Server.prototype.listen = function (options, ...rest) {
  return listen.call(this, { port: options.port ?? 0, host: '127.0.0.1' }, ...rest);
};

const systemNow = Date.now;
let offset = 0;
Date.now = () => systemNow() + offset;

const writeHead = ServerResponse.prototype.writeHead;
ServerResponse.prototype.writeHead = function (...args) {
  this.setHeader('date', new Date(Date.now()).toUTCString());
  return writeHead.apply(this, args);
};

// fauxqs rejects every character beyond the first plane (SendMessage: #x10000 to #x10FFFF are legal).
const types = join(dirname(fileURLToPath(import.meta.resolve('fauxqs'))), 'sqs', 'sqsTypes.js');
const { INVALID_MESSAGE_BODY_CHAR } = await import(types);
INVALID_MESSAGE_BODY_CHAR.test = (text) => /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(text);

const clock = createServer((request, answer) => {
  offset += 1_000 * Number(/^\/pass\/([\d.]+)$/.exec(request.url)?.[1] ?? 0);
  answer.end();
});
await new Promise((resolve) => clock.listen({ port: 0 }, resolve));
console.log(`clock at port ${clock.address().port}`);

const { startFauxqs } = await import('fauxqs');
const { port } = await startFauxqs({ port: 0, logger: false });
console.log(`queues at port ${port}`);
