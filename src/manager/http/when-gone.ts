import type { FastifyReply } from 'fastify';

type Answer = Pick<FastifyReply, 'raw'>;

/** Acts when an answer's connection is done with; at once where the caller has left already, of which nothing more is told. */
export function whenGone({ raw }: Answer, act: () => void): void {
  if (raw.destroyed) act();
  else raw.once('close', act);
}

/** Aborted when the answer's connection is done with. */
export function goneSignal(reply: Answer): AbortSignal {
  const gone = new AbortController();
  whenGone(reply, () => gone.abort());
  return gone.signal;
}
