import { styleText } from 'node:util';
import type { Context } from './context.ts';
import type { Output } from './io.ts';

export type Tint = 'good' | 'bad' | 'doubtful' | 'faint' | 'strong';
/** Colours a text, or leaves it as it is where colours aren't wanted. */
export type Paint = (tint: Tint, text: string) => string;

/** Whether colours are wanted is decided here, for the stream that is meant; Node would look at its own stdout. */
const UNCHECKED = { validateStream: false };
const STYLES = { good: 'green', bad: 'red', doubtful: 'yellow', faint: 'dim', strong: 'bold' } as const;

/** Colours for one of the two streams: only on a terminal, without NO_COLOR and --no-color. */
export function paintFor(ctx: Pick<Context, 'io' | 'flags'>, output: Output): Paint {
  const { env } = ctx.io;
  const wanted = output.isTTY === true && ctx.flags.color && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  return wanted ? (tint, text) => styleText(STYLES[tint], text, UNCHECKED) : plain;
}

/** Leaves every text as it is. */
export const plain: Paint = (_, text) => text;
