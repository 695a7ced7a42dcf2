import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cloud } from './cloud.ts';
import type { GridInstance } from './grid.ts';
import { Host, type HostOptions, type Instance } from './host.ts';

export interface SupervisorOptions {
  readonly cloud: Cloud;
  /** For every instance's boot and programs, besides where its services and its metadata are. */
  readonly env?: Readonly<Record<string, string>>;
  /** What runs an instance in place of a directory and the processes of this machine. */
  readonly instance?: (options: HostOptions) => Instance;
}

/**
 * Runs every instance of the emulated groups on this machine: a directory for its disk, its real user-data as its boot,
 * and what its units say as its programs. When the group ends an instance, they end as EC2 would end them.
 */
export class Supervisor {
  readonly directory: string;
  readonly #cloud: Cloud;
  readonly #env: Readonly<Record<string, string>>;
  readonly #instance: (options: HostOptions) => Instance;
  readonly #hosts = new Map<string, Instance>();
  readonly #running = new Set<Promise<void>>();
  readonly #troubles: unknown[] = [];
  #closed = false;

  constructor({ cloud, env = {}, instance = (options) => new Host(options) }: SupervisorOptions) {
    this.directory = mkdtempSync(join(tmpdir(), 'batchctl-grid-'));
    // Commands of another user pass through.
    chmodSync(this.directory, 0o755);
    this.#cloud = cloud;
    this.#env = env;
    this.#instance = instance;
    cloud.grid.onLaunch((instance) => this.#follow(this.#launch(instance)));
    cloud.grid.onEnd((instance, how) => {
      const host = this.#hosts.get(instance.id);
      if (host !== undefined) this.#follow(host.end(how === 'terminate' ? GRACE : 0));
    });
  }

  /** An instance's directory, which stays when the instance ends. */
  disk(instance: string): string {
    return join(this.directory, instance);
  }

  /** What an instance said: its boot and its programs. */
  console(instance: string): string {
    return this.#hosts.get(instance)?.console() ?? '';
  }

  /** Kills what an instance's unit runs: systemd starts it again. */
  killProgram(instance: string): void {
    this.#hosts.get(instance)?.killProgram();
  }

  /** Every instance's console, by its id, in the order of their launches. */
  get said(): readonly (readonly [string, string])[] {
    return [...this.#hosts].map(([id, host]) => [id, host.console()]);
  }

  /** What went wrong in running instances, not on them. */
  get troubles(): readonly unknown[] {
    return this.#troubles;
  }

  /** How often programs were started, all instances together. */
  get starts(): number {
    return [...this.#hosts.values()].reduce((sum, { starts }) => sum + starts, 0);
  }

  /** Ends all at once, and removes their disks. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#hosts.values()].map((host) => host.end(0)));
    await Promise.all(this.#running);
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #launch(instance: GridInstance): Promise<void> {
    const imds = await this.#cloud.grid.imdsUrl(instance);
    if (this.#closed || this.#cloud.grid.instance(instance).gone) return;
    const host = this.#instance({
      ...{ id: instance.id, group: instance.group, directory: this.disk(instance.id), userData: instance.userData },
      env: { AWS_ENDPOINT_URL: this.#cloud.url, AWS_EC2_METADATA_SERVICE_ENDPOINT: imds, ...this.#env },
    });
    this.#hosts.set(instance.id, host);
    await host.run();
  }

  #follow(work: Promise<void>): void {
    const followed = work.catch((error: unknown) => {
      this.#troubles.push(error);
    });
    this.#running.add(followed);
    void followed.then(() => this.#running.delete(followed));
  }
}

/** Milliseconds from SIGTERM to SIGKILL: EC2 gives a system a while to shut down (EC2: TerminateInstances). */
const GRACE = 2_000;

/** A file of an instance's disk; empty if it isn't there. */
export function readDisk(supervisor: Supervisor, instance: string, path: string): string {
  const file = join(supervisor.disk(instance), path);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
