import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { StepSpec } from '../../src/model/job.ts';
import { logKey, outKey, stepPrefix } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { runAttempt } from '../../src/worker/attempt.ts';
import { type CommandUser, commandUserOf } from '../../src/worker/command-user.ts';
import type { Outcome } from '../../src/worker/outcome.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { openPlace, type Place } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { collect } from '../support/collect.ts';
import { makeAttemptOptions, makeContext, makeTask } from './worker-context.ts';

const TASKS = 100;
const JOB = `
name: claims
input: { split: { by: range, from: 1, to: ${TASKS} } }
steps: [{ name: price, run: [cat], timeout: 60, attempts: 2 }]
`;

/** What a command left, and how its own attempt ends. */
export interface Leaving {
  readonly what: string;
  /** A script for /bin/sh. `$SLOT` is its slot's directory, `$VICTIM` a directory of files that it must not reach. */
  readonly script: string;
  readonly output?: StepSpec['output'];
  /** The error of its attempt; absent if it is published. */
  readonly error?: RegExp;
}

const PERL_DEEP = `perl -e 'for (1..10000) { mkdir "d" or die $!; chdir "d" or die $!; } mkdir "e"; open(F, ">e/f")'`;
const LONG = 'n'.repeat(255);

/** What any command may leave below directories that are its own, whatever its user. */
export const IN_OWN_DIRECTORIES: readonly Leaving[] = [
  { what: 'a directory of 10,000 levels', script: PERL_DEEP },
  { what: 'long names', script: `for n in 1 2 3; do mkdir ${LONG} && cd ${LONG}; done; echo x >${LONG}` },
  { what: 'names that are not UTF-8', script: `mkdir "$(printf 'd\\351')"; echo x >"$(printf 'd\\351/f\\351')"` },
  {
    what: 'a tree that it closed',
    script: 'mkdir -p a/b/c; echo x >a/b/c/f; chmod 0 a/b/c a/b; chmod 500 a; chmod 0 .',
  },
  { what: 'a read-only tree', script: 'mkdir -p a/b/c; echo x >a/b/c/f; chmod -R a-w .' },
  {
    what: 'links and special files',
    script: 'mkdir d; ln -s "$VICTIM" l; ln -s "$VICTIM/file" d/l; mkfifo f d/f; ln -s . d/d',
  },
  {
    what: 'a FIFO as its output',
    output: 'file',
    script: 'mkfifo "$BATCHCTL_OUTPUT"',
    error: /^expected \$BATCHCTL_OUTPUT to be a regular file, found a FIFO$/,
  },
  {
    what: 'a link as its output',
    output: 'file',
    script: 'ln -s "$VICTIM/file" "$BATCHCTL_OUTPUT"',
    error: /^expected \$BATCHCTL_OUTPUT to be a regular file, found a symbolic link$/,
  },
  {
    what: 'a directory as its output',
    output: 'file',
    script: 'mkdir "$BATCHCTL_OUTPUT"; echo x >"$BATCHCTL_OUTPUT/x"',
    error: /^expected \$BATCHCTL_OUTPUT to be a regular file, found a directory$/,
  },
  {
    what: 'a socket as its output',
    output: 'file',
    script: `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ENV{BATCHCTL_OUTPUT}, Listen => 1) or die'`,
    error: /^expected \$BATCHCTL_OUTPUT to be a regular file, found a socket$/,
  },
  {
    what: 'a FIFO among its outputs',
    output: 'files',
    script: 'echo 1 >"$BATCHCTL_OUTPUT_DIR/a"; mkdir "$BATCHCTL_OUTPUT_DIR/d"; mkfifo "$BATCHCTL_OUTPUT_DIR/d/f"',
    error: /^expected d\/f in \$BATCHCTL_OUTPUT_DIR to be a regular file, found a FIFO$/,
  },
  {
    what: 'a link among its outputs',
    output: 'files',
    script: 'ln -s "$VICTIM/file" "$BATCHCTL_OUTPUT_DIR/l"',
    error: /^expected l in \$BATCHCTL_OUTPUT_DIR to be a regular file, found a symbolic link$/,
  },
  {
    what: 'a link to a directory among its outputs',
    output: 'files',
    script: 'ln -s "$VICTIM" "$BATCHCTL_OUTPUT_DIR/l"',
    error: /^expected l in \$BATCHCTL_OUTPUT_DIR to be a regular file, found a symbolic link$/,
  },
  {
    what: 'an output directory of 10,000 levels',
    output: 'files',
    script: `cd "$BATCHCTL_OUTPUT_DIR"; ${PERL_DEEP}`,
    error: /^expected names of at most 1024 characters in \$BATCHCTL_OUTPUT_DIR, found a longer one: "d\/d\//,
  },
  {
    what: '400 MB of counters',
    script: 'truncate -s 400M "$BATCHCTL_COUNTERS"',
    error: /^expected at most 1 MiB in \$BATCHCTL_COUNTERS, found 419430400 bytes/,
  },
];

/** What a command that runs as the worker's own user can also leave: its slot's directory is its own, too. */
export const IN_SLOT: readonly Leaving[] = [
  ...(['mkfifo', 'mkdir', 'ln -s "$VICTIM/file"', 'ln -s "$VICTIM"'] as const).flatMap((make): readonly Leaving[] => [
    { what: `${make} as its input`, script: `rm "$BATCHCTL_INPUT"; ${make} "$BATCHCTL_INPUT"` },
    { what: `${make} as its stderr`, script: `rm "$SLOT/err"; ${make} "$SLOT/err"` },
    { what: `${make} as its directory`, script: `cd "$SLOT"; rmdir run; ${make} run` },
    {
      what: `${make} as its stdout`,
      script: `rm "$SLOT/out"; ${make} "$SLOT/out"`,
      error: /^expected stdout to be a regular file, found a /,
    },
    {
      what: `${make} as its counters`,
      script: `rm -f "$BATCHCTL_COUNTERS"; ${make} "$BATCHCTL_COUNTERS"`,
      error: /^expected \$BATCHCTL_COUNTERS to be a regular file, found a /,
    },
  ]),
  { what: 'hard links to its files', script: 'ln "$BATCHCTL_INPUT" "$KEPT/in"; ln "$SLOT/err" "$KEPT/err"' },
  {
    what: 'a slot that is a link',
    script: 'mv "$SLOT" "$SLOT.old"; ln -s "$VICTIM" "$SLOT"',
    error: /is not "name value"/,
  },
  { what: 'a slot that is a file', script: 'rm -r "$SLOT"; echo x >"$SLOT"', error: /ENOTDIR/ },
  { what: 'no slot', script: 'rm -r "$SLOT"' },
  { what: 'a slot that it closed', script: 'rmdir "$SLOT/run"; chmod 0 "$SLOT"; chmod 100 "$SLOT/.."' },
  {
    what: 'a FIFO in place of that which finds strays',
    script: 'rm "$SLOT/../slot-0.fifo"; mkfifo "$SLOT/../slot-0.fifo"',
  },
];

const VICTIM_FILES = ['file', 'in', 'err', 'out', 'counters'];

interface TestWorker {
  run(step: Partial<StepSpec>, slot?: number): Promise<{ readonly task: number; readonly outcome: Outcome }>;
  close(): Promise<void>;
}

/** An executor with one slot, which runs each leaving command and then a normal one, and a place that none may change. */
export class LeavingBench {
  readonly #place: Place;
  readonly #view: JobView;
  readonly #user: CommandUser | null;
  readonly #warnings: string[] = [];
  #task = 0;

  static async open(user: string | null): Promise<LeavingBench> {
    const place = await openPlace();
    return new LeavingBench(
      place,
      await submitJob(place, JOB, {}),
      user === null ? null : commandUserOf({ BATCHCTL_COMMAND_USER: user }),
    );
  }

  private constructor(place: Place, view: JobView, user: CommandUser | null) {
    this.#place = place;
    this.#view = view;
    this.#user = user;
    chmodSync(place.directory, 0o711);
    for (const name of ['victim', 'kept']) mkdirSync(join(place.directory, name));
    chmodSync(this.kept, 0o777);
    for (const name of VICTIM_FILES) writeFileSync(join(this.victim, name), 'untouched\n');
  }

  get directory(): string {
    return this.#place.directory;
  }

  get victim(): string {
    return join(this.#place.directory, 'victim');
  }

  /** A directory that commands may write to, outside the slot. */
  get kept(): string {
    return join(this.#place.directory, 'kept');
  }

  /** What the worker logged as a warning. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** A worker with this many slots, which runs attempts of changed steps, each of a task of its own. */
  startWorker(slots: number): TestWorker {
    const scratch = join(this.#place.directory, 'work', `w.${this.#task}`);
    mkdirSync(scratch, { recursive: true });
    const worker = `w-left-${process.pid}`;
    const executor = createShellExecutor({ slots, worker, directory: scratch, user: this.#user });
    const log = { info: () => undefined, warn: (line: string) => void this.#warnings.push(line) };
    const inherited = { PATH: process.env.PATH ?? '' };
    const ctx = makeContext(this.#place.platform, { executor, scratch, log, inherited });
    const env = { VICTIM: this.victim, KEPT: this.kept };
    return {
      run: async (step, slot = 0) => {
        const task = makeTask(this.#view, { task: this.#task });
        this.#task += 1;
        const attempt = `a${task.message.task}`;
        const changed = { ...task, step: { ...task.step, env, ...step } };
        const { outcome } = await runAttempt(ctx, changed, makeAttemptOptions(ctx, { attempt, slot }));
        return { task: task.message.task, outcome };
      },
      close: () => executor.close(),
    };
  }

  /** A published output of one file. */
  output(task: number): Promise<string> {
    return this.#text(outKey(this.#view.record.job, 'price', task));
  }

  /** All that was stored for the step. */
  async storedTexts(): Promise<readonly string[]> {
    const keys = this.#place.platform.store.keys(stepPrefix(this.#view.record.job, 'price'));
    return Promise.all((await collect(keys)).map((key) => this.#text(key)));
  }

  async #text(key: string): Promise<string> {
    return Buffer.from((await this.#place.platform.store.read(key)) ?? []).toString();
  }

  /**
   * Runs the command and then a normal one in the same slot, and checks the end of both. If the first says nothing,
   * it may also fail for what it left.
   */
  async leave({ script, output = 'stdout', error }: Leaving, says = 'fine'): Promise<void> {
    const worker = this.startWorker(1);
    try {
      const slot = 'SLOT=$(dirname "$BATCHCTL_COUNTERS")';
      const left = await worker.run({ input: 'file', output, run: `${slot}; ${script}; printf '${says}'` });
      if (says === '')
        expect(left.outcome.kind, JSON.stringify(left.outcome)).to.be.oneOf(['published', 'failed', 'retry']);
      else if (error === undefined)
        expect(left.outcome, JSON.stringify(left.outcome)).to.include({ kind: 'published' });
      else expect(left.outcome).to.have.nested.property('failure.error').that.matches(error);

      const { outcome, task } = await worker.run({ input: 'file', output: 'file', run: NORMAL });
      expect(outcome, JSON.stringify([outcome, this.#warnings])).to.include({ kind: 'published' });
      expect(outcome).to.deep.nested.include({ 'meta.counters': { rows: '1' } });
      const log = logKey(this.#view.record.job, 'price', task, `a${task}`);
      expect(await this.#text(log)).to.equal('logged\n');
      expect(await this.output(task)).to.equal(`${task + 1}\n.\n..\n`);
    } finally {
      await worker.close();
    }
    this.expectVictimUntouched();
  }

  expectVictimUntouched(): void {
    for (const name of VICTIM_FILES)
      expect(readFileSync(join(this.victim, name), 'utf8'), name).to.equal('untouched\n');
    expect(readdirSync(this.victim)).to.have.members(VICTIM_FILES);
  }

  async close(): Promise<void> {
    if (existsSync(join(this.kept, 'pid')))
      spawnSync('kill', ['-9', readFileSync(join(this.kept, 'pid'), 'utf8').trim()]);
    spawnSync('chmod', ['-R', 'u+rwx', join(this.#place.directory, 'work')]);
    spawnSync('rm', ['-rf', join(this.#place.directory, 'work')]);
    await this.#place.end();
  }
}

/** Shows that the command found its own input, an empty directory and no counters; a hidden process may write now. */
const NORMAL = `if [ -s "$KEPT/pid" ]; then touch "$KEPT/go"; until [ -e "$KEPT/wrote" ]; do sleep 0.01; done; rm "$KEPT/pid"; fi
echo logged >&2
[ ! -s "$BATCHCTL_COUNTERS" ] && echo 'rows 1' >>"$BATCHCTL_COUNTERS"
cat "$BATCHCTL_INPUT" >"$BATCHCTL_OUTPUT"
ls -a >>"$BATCHCTL_OUTPUT"`;
