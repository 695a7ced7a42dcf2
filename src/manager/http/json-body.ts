import type { FastifyInstance } from 'fastify';
import { BOUNDS } from './bounds.ts';
import { Refusal } from './refusal.ts';

/**
 * Reads JSON bodies, and refuses those of too many values or too deep before they are parsed: how long a body blocks the
 * loop depends on its values more than on its size. To be called before any route is made.
 */
export function addJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const isLarge = (request.routeOptions.bodyLimit ?? 0) > BOUNDS.body.value;
    requireShape(body, (isLarge ? BOUNDS.valuesOfLarge : BOUNDS.values).value);
    // Each step has a turn of the loop of its own.
    setImmediate(() => parse(request, body.toString('utf8'), (error, value) => setImmediate(done, error, value)));
  });
}

/** Throws a `Refusal`. What is no JSON may pass: the parser refuses it. */
function requireShape(body: Uint8Array, most: number): void {
  let [values, depth, inText] = [0, 0, false];
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === 0x22) inText = !inText;
    else if (inText) {
      // A backslash hides the character after it.
      if (byte === 0x5c) at += 1;
    } else if (byte === 0x2c) values += 1;
    else if (byte === 0x5b || byte === 0x7b) {
      values += 1;
      depth += 1;
      if (depth > BOUNDS.depth.value) throw tooLarge(`at most ${BOUNDS.depth.value} lists and maps within each other`);
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    if (values > most) throw tooLarge(`at most ${most} values`);
  }
}

const tooLarge = (allowed: string): Refusal =>
  new Refusal(413, 'usage', `expected a JSON body with ${allowed}, found more`, {
    hint: 'put long lists into an input, split by list',
  });
