import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, CommandEnd, Executor } from '../../../src/worker/executor.ts';
import type { Chance } from '../../support/chance.ts';
import type { Actor } from './scheduler.ts';

export interface CommandRun {
  readonly step: string;
  readonly task: number;
  readonly round: number;
  readonly attempt: string;
  readonly stdin: string;
  /** Its output by file name; '' is stdout. */
  readonly wrote: Readonly<Record<string, string>>;
  readonly code: number;
}

/** How often a task's command fails, with which exit code, and from which version of the program it succeeds. */
interface Behaviour {
  readonly fails: number;
  readonly code: number;
  readonly fixedBy: number;
}

/** The version of the program that succeeds for every task. */
export const FIXED_VERSION = 9;

export class Programs {
  readonly runs: CommandRun[] = [];
  readonly #behaviours = new Map<string, Behaviour>();
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** Runs a command: reads its stdin, writes its outputs, returns its exit code. */
  run({ attempt, env, run, stdin, stdout, stderr, outputs }: Command): number {
    const [step, task, round] = [env.BATCHCTL_STEP ?? '', Number(env.BATCHCTL_TASK), Number(env.BATCHCTL_ROUND)];
    const code = this.#codeOf(`${step}/${task}`, versionOf(run));
    const wrote: Record<string, string> = {};
    const text = `${step}/${task} by ${attempt} in ${round}\n`;
    writeFileSync(stderr, code === 0 ? '' : `boom ${code}\n`);
    const [directory] = outputs;
    if (directory === undefined) wrote[''] = text;
    else for (let n = (task + this.runs.length) % 3; n > 0; n -= 1) wrote[`f${n}`] = `${n} of ${text}`;
    if (code === 0) {
      for (const [name, content] of Object.entries(wrote))
        writeFileSync(directory === undefined ? stdout : join(directory, name), content);
    }
    const read = stdin === null ? '' : readFileSync(stdin, 'utf8');
    this.runs.push({ step, task, round, attempt, stdin: read, wrote, code });
    return code;
  }

  #codeOf(name: string, version: number): number {
    let behaviour = this.#behaviours.get(name);
    if (behaviour === undefined) {
      behaviour = this.#chance.weighted<Behaviour>([
        [50, { fails: 0, code: 0, fixedBy: 0 }],
        [10, { fails: 1, code: 1, fixedBy: 1 }],
        [4, { fails: 2, code: 75, fixedBy: 1 }],
        [18, { fails: Number.POSITIVE_INFINITY, code: 1, fixedBy: 1 }],
        [10, { fails: Number.POSITIVE_INFINITY, code: 1, fixedBy: FIXED_VERSION }],
        [6, { fails: Number.POSITIVE_INFINITY, code: 65, fixedBy: 1 }],
      ]);
      this.#behaviours.set(name, behaviour);
    }
    if (behaviour.fails === 0 || version >= behaviour.fixedBy) return 0;
    this.#behaviours.set(name, { ...behaviour, fails: behaviour.fails - 1 });
    return behaviour.code;
  }
}

/** The version of `prog v1 0` is the larger number. */
function versionOf(run: Command['run']): number {
  const [, version = 'v0', fix = '0'] = typeof run === 'string' ? run.split(' ') : run;
  return Math.max(Number(version.slice(1)), Number(fix));
}

/** Runs a worker's commands, each when its turn comes. */
export function fuzzExecutor(programs: Programs, actor: Actor, began: (attempt: string) => void): Executor {
  return {
    run: async (_slot, command, signal): Promise<CommandEnd> => {
      const end = { signal: null, seconds: 0.1, cpuSeconds: 0.1, peakMemory: 1024, strays: 0 };
      if (signal.aborted) return { ...end, how: 'aborted', code: null };
      began(command.attempt);
      await Promise.race([
        actor.turn(`command ${command.env.BATCHCTL_STEP}/${command.env.BATCHCTL_TASK} ${command.attempt}`),
        new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })),
      ]);
      if (signal.aborted) return { ...end, how: 'aborted', code: 143 };
      return { ...end, how: 'exit', code: programs.run(command) };
    },
    close: async () => undefined,
  };
}
