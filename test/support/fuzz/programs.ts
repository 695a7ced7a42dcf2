import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, CommandEnd, Executor } from '../../../src/worker/executor.ts';
import type { Chance } from './chance.ts';
import type { Actor } from './scheduler.ts';

/** One run of a command to its end, with what it read and wrote. */
export interface Ran {
  readonly step: string;
  readonly task: number;
  readonly round: number;
  readonly attempt: string;
  readonly stdin: string;
  /** What it wrote: by name of the file, '' for stdout. */
  readonly wrote: Readonly<Record<string, string>>;
  readonly code: number;
}

/** How a task's command behaves: how often it fails at first, by which code, and which version of the program mends it. */
interface Habit {
  readonly fails: number;
  readonly code: number;
  readonly mendedBy: number;
}

/** The program that ends well whatever the task. */
export const MENDED = 9;

/** What the commands of a sequence do, and have done. */
export class Programs {
  readonly ran: Ran[] = [];
  readonly #habits = new Map<string, Habit>();
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** Runs a command: reads its stdin, writes its outputs, answers its exit code. */
  run({ attempt, env, run, stdin, stdout, stderr, outputs }: Command): number {
    const [step, task, round] = [env.BATCHCTL_STEP ?? '', Number(env.BATCHCTL_TASK), Number(env.BATCHCTL_ROUND)];
    const code = this.#codeOf(`${step}/${task}`, versionOf(run));
    const wrote: Record<string, string> = {};
    const text = `${step}/${task} by ${attempt} in ${round}\n`;
    writeFileSync(stderr, code === 0 ? '' : `boom ${code}\n`);
    const [directory] = outputs;
    if (directory === undefined) wrote[''] = text;
    else for (let n = (task + this.ran.length) % 3; n > 0; n -= 1) wrote[`f${n}`] = `${n} of ${text}`;
    if (code === 0) {
      for (const [name, content] of Object.entries(wrote))
        writeFileSync(directory === undefined ? stdout : join(directory, name), content);
    }
    const read = stdin === null ? '' : readFileSync(stdin, 'utf8');
    this.ran.push({ step, task, round, attempt, stdin: read, wrote, code });
    return code;
  }

  #codeOf(name: string, version: number): number {
    let habit = this.#habits.get(name);
    if (habit === undefined) {
      habit = this.#chance.weighted<Habit>([
        [50, { fails: 0, code: 0, mendedBy: 0 }],
        [10, { fails: 1, code: 1, mendedBy: 1 }],
        [4, { fails: 2, code: 75, mendedBy: 1 }],
        [18, { fails: Number.POSITIVE_INFINITY, code: 1, mendedBy: 1 }],
        [10, { fails: Number.POSITIVE_INFINITY, code: 1, mendedBy: MENDED }],
        [6, { fails: Number.POSITIVE_INFINITY, code: 65, mendedBy: 1 }],
      ]);
      this.#habits.set(name, habit);
    }
    if (habit.fails === 0 || version >= habit.mendedBy) return 0;
    this.#habits.set(name, { ...habit, fails: habit.fails - 1 });
    return habit.code;
  }
}

/** `prog v1 0` is version 1; a last argument that is larger counts. */
function versionOf(run: Command['run']): number {
  const [, version = 'v0', fix = '0'] = typeof run === 'string' ? run.split(' ') : run;
  return Math.max(Number(version.slice(1)), Number(fix));
}

/** Runs the commands of one worker, each once its turn has come. */
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
