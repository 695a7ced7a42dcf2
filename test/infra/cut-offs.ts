import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { type Others, othersIn, remainsOf } from '../support/grid/leftovers.ts';
import { type Answered, type Line, StackWorkspace } from './stack-workspace.ts';

const MANAGED = { groups: { default: {} }, manager: { allow: ['203.0.113.0/24'] } };
/** Requests that change nothing. */
const LOOK = /^(Get|List|Describe|HEAD)/;

type Act = () => Promise<Answered>;

/** An account in which infra up and infra down lose their connection after any number of requests. */
export class CutOffs {
  readonly #cloud: Cloud;
  readonly #others: Others;
  readonly #workspace: StackWorkspace;

  private constructor(cloud: Cloud) {
    this.#cloud = cloud;
    this.#others = othersIn(cloud);
    this.#workspace = new StackWorkspace(cloud);
  }

  static async open(): Promise<CutOffs> {
    return new CutOffs(await startCloud({ pace: { second: 10 } }));
  }

  async close(): Promise<void> {
    await this.#workspace.remove();
    this.#others.close();
    await this.#cloud.close();
  }

  readonly up: Act = () => this.#workspace.here('infra', 'up', '--yes');
  readonly down: Act = () => this.#workspace.here('infra', 'down', '--confirm', this.#workspace.stack);
  readonly plan: Act = () => this.#workspace.here('infra', 'plan');

  /** A new stack with a manager. */
  configure(): void {
    this.#workspace.configure(MANAGED);
  }

  async well(act: Act): Promise<readonly Line[]> {
    const { code, stderr, lines } = await act();
    expect(code, stderr).to.equal(0);
    return lines;
  }

  /** The positions, from 0, of the requests of `act` that change something. */
  async changesOf(act: Act): Promise<readonly number[]> {
    this.#cloud.takeCalls();
    await this.well(act);
    const calls = this.#cloud.takeCalls();
    return calls.flatMap(({ action }, at) => (LOOK.test(action) || action === 'GET' ? [] : [at]));
  }

  /** Nothing passes after this many requests. */
  async cut(requests: number, act: Act): Promise<void> {
    const ends = this.#cloud.cutAfter(requests);
    const { code } = await act();
    ends.end();
    expect(code, `cut off after ${requests} requests`).not.to.equal(0);
  }

  /** The stack's resources that are left in the account. */
  remains(): Promise<readonly unknown[]> {
    return remainsOf(this.#workspace.stack, this.#others);
  }
}
