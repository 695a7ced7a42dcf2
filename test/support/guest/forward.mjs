// forward.mjs ADDRESS=SOCKET...: forwards connections to port 80 of the addresses.
import { connect, createServer } from 'node:net';

for (const [address, socket] of process.argv.slice(2).map((word) => word.split('='))) {
  createServer({ allowHalfOpen: true }, (from) => {
    const to = connect({ path: socket, allowHalfOpen: true });
    for (const [one, other] of [
      [from, to],
      [to, from],
    ]) {
      one.pipe(other);
      one.on('error', () => other.destroy());
    }
  }).listen(80, address);
}
