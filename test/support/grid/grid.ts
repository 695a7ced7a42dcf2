import { decodeUserData } from '../../../src/infra/user-data.ts';
import { until } from '../until.ts';
import { Imds } from './imds.ts';
import type { EndKind, LaunchFailure, Watchers } from './scaling/engine.ts';
import type { Member } from './scaling/groups.ts';
import type { Scaling } from './scaling/scaling.ts';

type Shown = 'id' | 'type' | 'zone' | 'lifeCycle' | 'version' | 'state' | 'protected' | 'gone' | 'role' | 'accessKeyId';

/** A snapshot of a group's instance. */
export interface GridInstance extends Readonly<Pick<Member, Shown>> {
  /** The name of its group. */
  readonly group: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Decompressed. */
  readonly userData: string;
}

type OnLaunch = (instance: GridInstance) => unknown;
type OnEnd = (instance: GridInstance, how: EndKind) => unknown;
type Named = string | { readonly id: string };

/** The instances of an emulated account, and what a test lets happen to them. */
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

  /** The instances of all groups, or of one, including those that are ending. */
  instances(group?: string): readonly GridInstance[] {
    const groups = [...this.#scaling().groups.values()].filter(({ name }) => group === undefined || name === group);
    return groups.flatMap(({ members }) => [...members.values()].map(snapshot));
  }

  /** Waits until a group has exactly `count` instances, all in service. */
  serves(group: string, count: number): Promise<readonly GridInstance[]> {
    return until(`${group} has ${count} in service`, () => {
      const instances = this.instances(group);
      return instances.length === count && instances.every(({ state }) => state === 'InService') && instances;
    });
  }

  /** The role of the instance that has this access key; null if no instance has it. */
  roleBy(key: string): string | null {
    return [...this.#members.values()].find(({ accessKeyId }) => accessKeyId === key)?.role ?? null;
  }

  /** An instance that exists or existed. */
  instance(named: Named): GridInstance {
    return snapshot(this.#member(named));
  }

  /**
   * Lets launches fail from now on, with AWS's message for the cause or with `message`; `null`: they succeed again. `only`
   * limits it to a group or to a kind of instances.
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

  /** EC2 reclaims a spot instance after `seconds`. Until then, the notice is in its metadata. */
  interrupt(named: Named, seconds = 120): void {
    const member = this.#member(named);
    member.interruptedAt = new Date(Date.now() + seconds * 1_000);
    const { engine } = this.#scaling();
    engine.timers.after(seconds * 1_000, () => engine.lost(member, 'terminate'));
  }

  /** Adds a rebalance recommendation to its metadata. */
  rebalance(named: Named): void {
    this.#member(named).rebalancedAt = new Date();
  }

  /** Ends an instance at once, without notice. */
  kill(named: Named): void {
    this.#scaling().engine.lost(this.#member(named), 'kill');
  }

  /** Called when someone has terminated it in EC2, without its group. */
  ended(instance: string): void {
    const member = this.#members.get(instance);
    if (member !== undefined) this.#scaling().engine.lost(member, 'terminate');
  }

  /** While `on`, its requests to services are never answered. Its metadata stay available. */
  partition(named: Named, on = true): void {
    const { accessKeyId } = this.#member(named);
    if (on) this.partitioned.add(accessKeyId);
    else this.partitioned.delete(accessKeyId);
    if (!on) this.#heal(accessKeyId);
  }

  /** Sets the target state in its metadata (`Standby`, `Warmed:Stopped`); its group does nothing. */
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
    for (const call of this.#onLaunch) call(snapshot(member));
  }

  onEnded(member: Member, how: EndKind): void {
    for (const call of this.#onEnd) call(snapshot(member), how);
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

const snapshot = (member: Member): GridInstance => ({
  ...member,
  group: member.group.name,
  // Decoded only on request, because many callers look every few milliseconds.
  get userData() {
    return decodeUserData(member.userData);
  },
});
