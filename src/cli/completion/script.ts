import { allCommandFacts } from '../command-facts.ts';
import type { Context } from '../context.ts';
import { bashScript } from './bash.ts';
import { completable } from './completable.ts';
import { fishScript } from './fish.ts';
import { zshScript } from './zsh.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** A shell's completion script for the commands that there are. */
export async function completionScript(ctx: Context, shell: keyof typeof SCRIPTS): Promise<string> {
  return SCRIPTS[shell]((await allCommandFacts(ctx)).map(completable));
}
