import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cloud } from './cloud.ts';
import type { GridInstance } from './grid.ts';
import { Host, type HostOptions, type Instance } from './host.ts';

export interface SupervisorOptions {
  readonly cloud: Cloud;
  /** The environment of all boots and programs, in addition to the addresses of services and metadata. */
  readonly env?: Readonly<Record<string, string>>;
  /** Creates an instance; by default a directory with processes of this machine. */
  readonly instance?: (options: HostOptions) => Instance;
}

/**
 * Runs every instance of the emulated groups on this machine: a directory is its disk, its real user-data is its boot, and
 * its programs are those of its units. When the group ends an instance, its programs end as on EC2.
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
    // Commands that run as another user need access.
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

  /** An instance's directory, which remains when the instance ends. */
  disk(instance: string): string {
    return join(this.directory, instance);
  }

  /** The output of an instance's boot and programs. */
  console(instance: string): string {
    return this.#hosts.get(instance)?.console() ?? '';
  }

  /** Kills the program of an instance's unit, which is then started again. */
  killProgram(instance: string): void {
    this.#hosts.get(instance)?.killProgram();
  }

  /** The consoles of all instances by their ids, in the order of their launches. */
  get consoles(): readonly (readonly [string, string])[] {
    return [...this.#hosts].map(([id, host]) => [id, host.console()]);
  }

  /** Errors of this class, not of programs on instances. */
  get troubles(): readonly unknown[] {
    return this.#troubles;
  }

  /** The number of starts of programs on all instances. */
  get starts(): number {
    return [...this.#hosts.values()].reduce((sum, { starts }) => sum + starts, 0);
  }

  /** Kills all instances and removes their disks. */
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
      id: instance.id,
      group: instance.group,
      directory: this.disk(instance.id),
      userData: instance.userData,
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

/** Milliseconds from SIGTERM to SIGKILL. EC2 gives a system some time to shut down (EC2: TerminateInstances). */
const GRACE = 2_000;

/** A file on an instance's disk; empty if it does not exist. */
export function readDisk(supervisor: Supervisor, instance: string, path: string): string {
  const file = join(supervisor.disk(instance), path);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
