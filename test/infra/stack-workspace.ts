import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { runCli } from '../cli/fake-io.ts';
import { KEYS } from '../support/aws-keys.ts';
import type { Cloud } from '../support/grid/cloud.ts';
import { Workspace } from '../support/workspace.ts';

/** A line of `infra plan`, `up`, `status` or `down`. */
export interface Line {
  readonly part: string;
  readonly kind: string;
  readonly name: string;
  readonly action: string;
  readonly state: string;
  readonly outcome: string;
  readonly why: string | null;
  readonly changes: readonly string[];
  readonly differences: readonly string[];
  readonly lacks: readonly { readonly what: string; readonly mend: string }[];
}

export interface Answered {
  readonly code: number;
  readonly stderr: string;
  readonly lines: readonly Line[];
}

/** A person who creates stacks in an emulated account with the built program. */
export class StackWorkspace extends Workspace {
  readonly cloud: Cloud;
  readonly #env: Readonly<Record<string, string>>;
  stack = '';

  /** `env`: additional environment of its processes. */
  constructor(cloud: Cloud, env: Readonly<Record<string, string>> = {}) {
    super();
    this.cloud = cloud;
    this.#env = env;
    this.configure();
  }

  /** The same person with another configuration; by default with a new stack. */
  configure(profile: object = {}, stack = `st-${randomId(6)}`): void {
    this.stack = stack;
    const lab = {
      ...{ backend: 'aws', region: 'us-east-1', account: this.cloud.account, stack, bucket: stack },
      groups: { default: { visibility: '60s' }, gpu: { instances: ['g5.xlarge'], visibility: '90s' } },
    };
    this.write('batchctl.config.json', { profile: 'lab', profiles: { lab: { ...lab, ...profile } } });
  }

  protected override environmentOf(): Readonly<Record<string, string>> {
    return { BATCHCTL_PROFILE: 'lab', AWS_ENDPOINT_URL: this.cloud.url, ...KEYS, ...this.#env };
  }

  /** The same in this process, which is faster for many calls. */
  async here(...args: readonly string[]): Promise<Answered> {
    Object.assign(process.env, KEYS);
    const env = { AWS_ENDPOINT_URL: this.cloud.url };
    const { code, stdout, stderr } = await runCli([...args, '--json'], { cwd: this.dir, env });
    return { code, stderr, lines: linesOf(stdout) };
  }

  /** `infra down` of the stack in this process. */
  downHere(...args: readonly string[]): Promise<Answered> {
    return this.here('infra', 'down', '--confirm', this.stack, ...args);
  }

  /** As `here`, for what must succeed: its lines. */
  async wellHere(...args: readonly string[]): Promise<readonly Line[]> {
    return well(this.here(...args));
  }

  /** Returns the output; throws unless the exit code is `code`. */
  async answer(args: readonly string[], code = 0): Promise<readonly Line[]> {
    const ended = await this.run([...args, '--json']);
    if (ended.code !== code) throw new Error(`infra ${args.join(' ')} exited with ${ended.code}: ${ended.stderr}`);
    return linesOf(ended.stdout);
  }

  up(...args: readonly string[]): Promise<readonly Line[]> {
    return this.answer(['infra', 'up', '--yes', ...args]);
  }

  down(...args: readonly string[]): Promise<readonly Line[]> {
    return this.answer(['infra', 'down', '--confirm', this.stack, ...args]);
  }
}

/** The lines of a command that must succeed. */
export async function well(answer: Promise<Answered>): Promise<readonly Line[]> {
  const { code, stderr, lines } = await answer;
  expect(code, stderr).to.equal(0);
  return lines;
}

function linesOf(stdout: string): readonly Line[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line): Line => JSON.parse(line));
}
