import { decodeUserData } from '../../../src/infra/user-data.ts';
import { until } from '../until.ts';
import { Imds } from './imds.ts';
import type { EndKind, LaunchFailure, Watchers } from './scaling/engine.ts';
import type { Member } from './scaling/groups.ts';
import type { Scaling } from './scaling/scaling.ts';

/** An instance of a group, as it is at that moment. */
export interface GridInstance {
  readonly id: string;
  readonly group: string;
  readonly type: string;
  readonly zone: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  /** The launch template's version that it was started from. */
  readonly version: string;
  /** The group's word for where it is: `InService`, `Terminating:Wait`. */
  readonly state: string;
  readonly protected: boolean;
  /** EC2 has ended it. */
  readonly gone: boolean;
  readonly role: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** As cloud-init unpacks it. */
  readonly userData: string;
  /** Of the credentials that its metadata gives: who calls is told by it. */
  readonly accessKeyId: string;
}

type OnLaunch = (instance: GridInstance) => unknown;
type OnEnd = (instance: GridInstance, how: EndKind) => unknown;
type Named = string | { readonly id: string };

/** What happens to instances, at a test's word. */
export class Grid implements Watchers {
  /** Access keys of instances that reach no service. */
  readonly partitioned = new Set<string>();
  readonly #members = new Map<string, Member>();
  readonly #imds = new Map<string, Promise<Imds>>();
  readonly #onLaunch: OnLaunch[] = [];
  readonly #onEnd: OnEnd[] = [];
  readonly #scaling: () => Scaling;
  readonly #account: string;
  readonly #heal: (accessKeyId: string) => void;

  constructor(scaling: () => Scaling, account: string, heal: (accessKeyId: string) => void) {
    this.#scaling = scaling;
    this.#account = account;
    this.#heal = heal;
  }

  /** Those that groups hold, the ending ones too; those of one group if it is named. */
  instances(group?: string): readonly GridInstance[] {
    const groups = [...this.#scaling().groups.values()].filter(({ name }) => group === undefined || name === group);
    return groups.flatMap(({ members }) => [...members.values()].map(seen));
  }

  /** Waits until a group holds so many in service, and none besides. */
  serves(group: string, count: number): Promise<readonly GridInstance[]> {
    return until(`${group} has ${count} in service`, () => {
      const there = this.instances(group);
      return there.length === count && there.every(({ state }) => state === 'InService') && there;
    });
  }

  /** An instance that is or was. */
  instance(named: Named): GridInstance {
    return seen(this.#member(named));
  }

  /**
   * Launches fail from now on, as AWS words it for such a cause, or with the message given; `null`: they succeed again.
   * `only` says for which: a group, or a kind of instances.
   */
  failLaunches(
    code: LaunchFailure | (string & {}) | null,
    message?: string,
    only: { readonly group?: string; readonly lifeCycle?: 'spot' | 'on-demand' } = {},
  ): void {
    const { engine, groups } = this.#scaling();
    engine.refusal = code === null ? null : { code, message, group: only.group, lifeCycle: only.lifeCycle };
    if (code !== null) return;
    for (const group of groups.values()) {
      group.patience = engine.pace.retry;
      engine.kick(group);
    }
  }

  /** EC2 takes a spot instance back in so many seconds: the notice stands in its metadata until then. */
  interrupt(named: Named, seconds = 120): void {
    const member = this.#member(named);
    member.interruptedAt = new Date(Date.now() + seconds * 1_000);
    const { engine } = this.#scaling();
    engine.timers.after(seconds * 1_000, () => engine.lost(member, 'terminate'));
  }

  /** EC2 says that it may soon take it back. */
  rebalance(named: Named): void {
    this.#member(named).rebalancedAt = new Date();
  }

  /** It is gone at once, and no notice came before. */
  kill(named: Named): void {
    this.#scaling().engine.lost(this.#member(named), 'kill');
  }

  /** Someone ended it in EC2, past its group. */
  ended(instance: string): void {
    const member = this.#members.get(instance);
    if (member !== undefined) this.#scaling().engine.lost(member, 'terminate');
  }

  /** Its requests reach no service, and are never answered, while it is on; its metadata stay near. */
  partition(named: Named, on = true): void {
    const { accessKeyId } = this.#member(named);
    if (on) this.partitioned.add(accessKeyId);
    else this.partitioned.delete(accessKeyId);
    if (!on) this.#heal(accessKeyId);
  }

  /** What its metadata says of where its group moves it: `Standby`, `Warmed:Stopped`; the group itself does nothing. */
  target(named: Named, state: string | null): void {
    this.#member(named).target = state;
  }

  onLaunch(call: OnLaunch): void {
    this.#onLaunch.push(call);
  }

  onEnd(call: OnEnd): void {
    this.#onEnd.push(call);
  }

  /** For AWS_EC2_METADATA_SERVICE_ENDPOINT. */
  async imdsUrl(named: Named): Promise<string> {
    return (await this.imds(named)).url;
  }

  imds(named: Named): Promise<Imds> {
    const member = this.#member(named);
    const known = this.#imds.get(member.id);
    if (known !== undefined) return known;
    const started = Imds.start(member, this.#account);
    this.#imds.set(member.id, started);
    return started;
  }

  onLaunched(member: Member): void {
    this.#members.set(member.id, member);
    for (const call of this.#onLaunch) call(seen(member));
  }

  onEnded(member: Member, how: EndKind): void {
    for (const call of this.#onEnd) call(seen(member), how);
  }

  async close(): Promise<void> {
    for (const imds of this.#imds.values()) await (await imds).close();
  }

  #member(named: Named): Member {
    const id = typeof named === 'string' ? named : named.id;
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no group launched ${id}`);
    return member;
  }
}

const seen = (member: Member): GridInstance => {
  const { id, group, type, zone, lifeCycle, version, state, gone, role, tags, accessKeyId } = member;
  return {
    ...{ id, group: group.name, type, zone, lifeCycle, version, state, protected: member.protected },
    ...{ gone, role, tags, accessKeyId },
    // Few who look at an instance want it, and many look every few milliseconds.
    get userData() {
      return decodeUserData(member.userData);
    },
  };
};
