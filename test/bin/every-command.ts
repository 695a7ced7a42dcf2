import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { outputOf as answerOf, type CommandDefinition, type CommandEntry } from '../../src/cli/command.ts';
import { COMMANDS, findCommand } from '../../src/cli/commands.ts';
import { fakeContext } from '../cli/fake-io.ts';
import { KEYS } from '../support/aws-keys.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { until } from '../support/until.ts';
import { jobYaml, ROOT } from './local-project.ts';
import { fetchNodes, npm, outputOf, packProgram } from './packed.ts';

/**
 * A command line, and its exit code if that isn't 0. `{n}` is another number in each round, `{worker}` a worker that
 * waits for tasks. `serves`: it runs until SIGTERM.
 */
type Line = string | { readonly line: string; readonly code?: number; readonly serves?: true };

/** What an operator does on one machine, in an order in which each command has something to do. */
const HERE: readonly Line[] = [
  'version',
  'help --all',
  'init new-{n}',
  'config show',
  'config trust',
  'schema run',
  'completion bash',
  'doctor',
  'upload job.yaml --to up/',
  'ls',
  'rm up/job.yaml --yes',
  'plan job.yaml',
  'rehearse job.yaml --sample 50%',
  'run job.yaml --run-key {n}',
  'fetch last -o out-{n}/',
  'verify last',
  'prune --all --yes',
  'submit failing.yaml',
  'pause last',
  'adjust last --max-running 2',
  'kill last work/1',
  'resume last',
  'worker --until-empty',
  'status last',
  { line: 'watch last', code: 5 },
  { line: 'wait last', code: 5 },
  'tasks last',
  'logs last',
  'failures last',
  'reproduce last work/1 -o again-{n}',
  'history last',
  { line: 'why last', code: 11 },
  'report last',
  'jobs',
  'skip last --task work/1 --reason tested',
  'skip last --task work/1 --undo',
  'retry last --task work/1',
  'cancel last --yes',
  'ledger rebuild',
  'scale 0',
  'workers',
  'workers logs {worker}',
  'workers drain {worker}',
  'workers stop {worker}',
  'queue',
  'queue redrive',
  'queue purge --confirm default',
  'schedule add s{n} job.yaml --calendar last-business-day',
  'schedule ls',
  'schedule show s{n}',
  'schedule next s{n}',
  'schedule pause s{n}',
  'schedule resume s{n}',
  'schedule run s{n} --period 2026-01',
  'tick',
  'schedule rm s{n} --yes',
  'notify test --to exec:./receive.sh',
  { line: 'manager --listen 0.0.0.0:0', serves: true },
  'manager fingerprint',
  'manager token create t{n}',
  'manager token list',
  'manager token revoke t{n} --yes',
];

/** What an administrator does in an AWS account. */
const THERE: readonly Line[] = [
  'infra policies',
  'infra plan',
  'infra up --yes',
  'infra status',
  'infra release --yes',
  'infra template',
  'infra user-data',
  'infra check',
  'doctor',
  'scale',
  'infra down --yes --confirm lab',
];

/**
 * Packs the program, installs it as users do, and runs every command of the program's own table under a version of Node:
 * once a round, which is '' for text or '--json', and in each of its formats.
 */
export function describeEveryCommand(version: string, rounds: readonly ('' | '--json')[]): void {
  describe(`the packed program under Node ${version}`, function () {
    // Of each command, which takes a second or two at most: some would otherwise wait for ever if another did nothing.
    this.timeout(120_000);
    const dir = mkdtempSync(join(tmpdir(), 'batchctl-packed-'));
    const packages = join(dir, 'lib/node_modules');
    const running: ChildProcess[] = [];
    let node: string;

    before(async () => {
      [node = ''] = fetchNodes(dir, [version]);
      outputOf(npm(dir, node, 'install', '--global', '--offline', '--prefix', dir, packProgram(dir)));
      // The one package that the program needs besides, under a Node without SQLite.
      if (version.startsWith('20'))
        cpSync(join(ROOT, 'node_modules/better-sqlite3'), join(packages, 'better-sqlite3'), { recursive: true });
    });
    after(() => {
      for (const child of running) child.kill('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    });

    function start(cwd: string, env: Readonly<Record<string, string>>, words: readonly string[]) {
      const PATH = `${dirname(node)}:${process.env.PATH ?? ''}`;
      const child = spawn(node, [join(packages, 'batchctl/bin/batchctl.js'), ...words], {
        cwd,
        env: { PATH, HOME: cwd, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      running.push(child);
      const said = { stdout: '', stderr: '' };
      child.stdout.on('data', (data) => {
        said.stdout += data;
      });
      child.stderr.on('data', (data) => {
        said.stderr += data;
      });
      return { child, said, ended: once(child, 'close') };
    }

    /** Runs a command line to its end, and checks how it ended. */
    async function check(cwd: string, env: Readonly<Record<string, string>>, line: Line, n: number, flags: string) {
      const { line: text, code = 0, serves = false } = typeof line === 'string' ? { line } : line;
      const filled = text.replaceAll('{n}', String(n));
      const words = `${filled.replace('{worker}', () => 'W')} ${flags}`.trim().split(' ');
      const worker = text.includes('{worker}') ? start(cwd, env, ['worker']) : null;
      if (worker !== null) {
        words[words.indexOf('W')] = await until(
          'a worker starts',
          () => /worker (w-\w+)/.exec(worker.said.stderr)?.[1],
        );
      }
      const { child, said, ended } = start(cwd, env, words);
      if (serves) {
        await until('it listens', () => /https:/.test(said.stderr) || child.exitCode !== null);
        child.kill('SIGTERM');
      }
      const [found] = await ended;
      worker?.child.kill('SIGTERM');
      await worker?.ended;
      expect(found, `${words.join(' ')}\n${said.stdout}\n${said.stderr}`).to.equal(code);
      expect(said.stderr, words.join(' ')).to.not.match(/\bat .*[.]js:\d+|Warning:/);
      if (flags === '--json') for (const each of said.stdout.split('\n').filter(Boolean)) JSON.parse(each);
    }

    function everyRound(lines: readonly Line[], made: () => readonly [string, Readonly<Record<string, string>>]): void {
      for (const [at, flags] of rounds.entries())
        for (const line of lines) {
          const { entry } = entryOf(line);
          it(`${textOf(line)} ${flags}`.trim(), async () => {
            const [cwd, env] = made();
            const command = (await entry.load())(fakeContext().ctx);
            // One without an answer runs all the same: later lines need what it does.
            const hasAnswer = (await answerOf(command)) !== null;
            await check(cwd, env, line, at + 1, hasAnswer ? flags : '');
            if (at === 0) for (const format of formatsOf(command)) await check(cwd, env, line, at + 1, format);
          });
        }
    }

    describe('on one machine', () => {
      const cwd = join(dir, 'here');
      before(() => {
        mkdirSync(cwd);
        const config = { profile: 'local', profiles: { local: { backend: 'local' } } };
        writeFileSync(join(cwd, 'batchctl.config.json'), JSON.stringify(config));
        writeFileSync(join(cwd, 'job.yaml'), jobYaml(3));
        writeFileSync(join(cwd, 'failing.yaml'), jobYaml(3, '[ $(cat) != 2 ]').replace('work,', 'work, attempts: 1,'));
        writeFileSync(join(cwd, 'receive.sh'), '#!/bin/sh\ncat > event\n', { mode: 0o755 });
      });
      everyRound(HERE, () => [cwd, {}]);
    });

    describe('in an AWS account', () => {
      const cloud = forSuite(() => startCloud({ sqs: 'own', pace: { second: 20 } }));
      const cwd = join(dir, 'there');
      before(() => {
        mkdirSync(cwd);
        const { account } = cloud;
        const lab = {
          backend: 'aws',
          region: 'us-east-1',
          account,
          stack: 'lab',
          bucket: 'lab',
          groups: { default: {} },
        };
        writeFileSync(join(cwd, 'batchctl.config.json'), JSON.stringify({ profile: 'lab', profiles: { lab } }));
      });
      everyRound(THERE, () => [cwd, { AWS_ENDPOINT_URL: cloud.url, ...KEYS }]);
    });

    it('runs every command of the table', () => {
      const run = new Set([...HERE, ...THERE].map((line) => entryOf(line).entry.name));
      expect(COMMANDS.map(({ name }) => name).filter((name) => !run.has(name))).to.deep.equal([]);
    });
  });
}

const textOf = (line: Line): string => (typeof line === 'string' ? line : line.line);

function entryOf(line: Line): { readonly entry: CommandEntry } {
  const found = findCommand(textOf(line).split(' '));
  if (found === null) throw new Error(`there is no command ${textOf(line)}`);
  return found;
}

/** The flags for each format of a command. */
function formatsOf({ options }: CommandDefinition): readonly string[] {
  return Object.entries(options)
    .filter(([flag]) => flag.startsWith('--format '))
    .flatMap(([, option]) => (typeof option === 'string' ? [] : (option.choices ?? [])))
    .map((format) => `--format ${format}`);
}
