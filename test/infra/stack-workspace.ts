import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
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
  readonly lacks: readonly { readonly what: string; readonly fix: string }[];
}

export interface Output<L = Line> {
  readonly code: number | null;
  readonly stderr: string;
  readonly lines: readonly L[];
}

/** The account of a workspace; without `url`, the profile names the endpoints. */
type Account = Pick<Cloud, 'account'> & Partial<Pick<Cloud, 'url'>>;

/** A person who creates stacks in an emulated account. */
export class StackWorkspace extends Workspace {
  readonly #account: Account;
  readonly #env: Readonly<Record<string, string>>;
  stack = '';

  /** `env`: additional environment of its commands. */
  constructor(account: Account, env: Readonly<Record<string, string>> = {}) {
    super();
    this.#account = account;
    this.#env = env;
    this.configure();
  }

  /** Changes the configuration; by default also the stack. */
  configure(profile: object = {}, stack = `st-${randomId(6)}`): void {
    this.stack = stack;
    const lab = {
      backend: 'aws',
      region: 'us-east-1',
      account: this.#account.account,
      stack,
      bucket: stack,
      groups: { default: { visibility: '60s' }, gpu: { instances: ['g5.xlarge'], visibility: '90s' } },
    };
    this.write('batchctl.config.json', { profile: 'lab', profiles: { lab: { ...lab, ...profile } } });
  }

  protected override environmentOf(): Readonly<Record<string, string>> {
    const { url } = this.#account;
    return { BATCHCTL_PROFILE: 'lab', ...(url !== undefined && { AWS_ENDPOINT_URL: url }), ...KEYS, ...this.#env };
  }

  /** Runs a command with --json, whatever its exit code. */
  async output<L = Line>(...args: readonly string[]): Promise<Output<L>> {
    const { code, stdout, stderr } = await this.run([...args, '--json']);
    return { code, stderr, lines: parseLines(stdout) };
  }

  /** Runs a command with --json; fails unless its exit code is `code`. */
  async answer<L = Line>(args: readonly string[], code = 0): Promise<readonly L[]> {
    const output = await this.output<L>(...args);
    expect(output.code, `${args.join(' ')}: ${output.stderr}`).to.equal(code);
    return output.lines;
  }

  up(...args: readonly string[]): Promise<readonly Line[]> {
    return this.answer(['infra', 'up', '--yes', ...args]);
  }

  down(...args: readonly string[]): Promise<readonly Line[]> {
    return this.answer(['infra', 'down', '--confirm', this.stack, ...args]);
  }

  /** The same, whatever its exit code. */
  downOutput(...args: readonly string[]): Promise<Output> {
    return this.output('infra', 'down', '--confirm', this.stack, ...args);
  }
}

/** The lines of output in JSON. */
export const parseLines = <L = Line>(stdout: string): readonly L[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line): L => JSON.parse(line));
