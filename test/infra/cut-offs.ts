import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { type Others, othersIn, remainsOf } from './remains.ts';
import { type Answered, type Line, StackDesk } from './stack-desk.ts';

const MANAGED = { groups: { default: {} }, manager: { allow: ['203.0.113.0/24'] } };
/** What changes nothing. */
const LOOK = /^(Get|List|Describe|HEAD)/;

type Act = () => Promise<Answered>;

/** An account in which infra up and infra down lose their connection after any number of requests. */
export class CutOffs {
  readonly #cloud: Cloud;
  readonly #others: Others;
  readonly #desk: StackDesk;

  private constructor(cloud: Cloud) {
    this.#cloud = cloud;
    this.#others = othersIn(cloud);
    this.#desk = new StackDesk(cloud);
  }

  static async open(): Promise<CutOffs> {
    return new CutOffs(await startCloud({ pace: { second: 10 } }));
  }

  async close(): Promise<void> {
    await this.#desk.remove();
    for (const client of Object.values(this.#others)) client.destroy();
    await this.#cloud.close();
  }

  readonly up: Act = () => this.#desk.here('infra', 'up', '--yes');
  readonly down: Act = () => this.#desk.here('infra', 'down', '--confirm', this.#desk.stack);
  readonly plan: Act = () => this.#desk.here('infra', 'plan');

  /** A new stack, with a manager. */
  configure(): void {
    this.#desk.configure(MANAGED);
  }

  async well(act: Act): Promise<readonly Line[]> {
    const { code, stderr, lines } = await act();
    expect(code, stderr).to.equal(0);
    return lines;
  }

  /** Which of the requests that `act` makes change something, counted from 0. */
  async changesOf(act: Act): Promise<readonly number[]> {
    this.#cloud.takeCalls();
    await this.well(act);
    const calls = this.#cloud.takeCalls();
    return calls.flatMap(({ action }, at) => (LOOK.test(action) || action === 'GET' ? [] : [at]));
  }

  /** Nothing goes through after so many requests. */
  async cut(requests: number, act: Act): Promise<void> {
    const ends = this.#cloud.cutAfter(requests);
    const { code } = await act();
    ends.end();
    expect(code, `cut off after ${requests} requests`).not.to.equal(0);
  }

  /** What the account still has of the stack. */
  remains(): Promise<readonly unknown[]> {
    return remainsOf(this.#desk.stack, this.#others);
  }
}
