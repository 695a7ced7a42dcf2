import { until } from '../until.ts';
import { type Running, Workspace } from '../workspace.ts';

/** Commands that don't go through the manager: they run on the local profile, as the manager does. */
const LOCAL_COMMANDS = ['worker', 'manager', 'worker-supervisor', 'rehearse', 'config', 'init'];

export interface ManagedOptions {
  /** Workers that the manager starts; none unless given. */
  readonly workers?: number;
  readonly scope?: 'read' | 'submit' | 'operate';
  /** Further variables in the environment of the manager and its workers. */
  readonly env?: Readonly<Record<string, string>>;
  /** Seconds, of its workers; unless given, as for every `Workspace`. */
  readonly lease?: number;
}

/** A workspace with a running manager: all verbs go through it, and only workers use the store directly. */
export class ManagedWorkspace extends Workspace {
  #url = '';
  #token = '';
  #manager: Running | null = null;
  /** The same directory without the manager: its commands run in this process. */
  readonly #here: Workspace;
  readonly #workers: number;
  readonly #env: Readonly<Record<string, string>>;

  private constructor({ workers = 0, env = {}, lease }: ManagedOptions) {
    super(undefined, lease);
    this.#here = new Workspace(this.dir, lease);
    this.#workers = workers;
    this.#env = env;
    this.atEnd(() => this.#here.close());
  }

  static async make(options: ManagedOptions = {}): Promise<ManagedWorkspace> {
    const { scope = 'operate' } = options;
    const workspace = new ManagedWorkspace(options);
    try {
      await workspace.startManager();
      workspace.#token = await workspace.token('caller', scope);
      return workspace;
    } catch (error) {
      await workspace.remove();
      throw error;
    }
  }

  get url(): string {
    return this.#url;
  }

  get manager(): Running {
    if (this.#manager === null) throw new Error('no manager was started');
    return this.#manager;
  }

  /** Starts the manager; a second time, at the same port. */
  async startManager(): Promise<void> {
    if (this.#url === '') this.write('batchctl.config.json', configOf('http://127.0.0.1:1'));
    const listen = this.#url === '' ? '127.0.0.1:0' : new URL(this.#url).host;
    const workers = this.#workers === 0 ? [] : ['--workers', String(this.#workers)];
    const manager = this.start(['manager', '--profile', 'local', '--listen', listen, ...workers], this.#env);
    this.#manager = manager;
    this.#url = await until('the manager listens', () => {
      if (manager.child.exitCode !== null) throw new Error(`the manager ended: ${manager.printed()}`);
      return /listening at (http:\S+?)[,\s]/.exec(manager.printed())?.[1];
    });
    this.write('batchctl.config.json', configOf(this.#url));
  }

  /** Runs a command without the manager. */
  direct(...args: readonly string[]): ReturnType<Workspace['run']> {
    return this.#here.run(args);
  }

  protected override environmentOf([first = '']: readonly string[]): Readonly<Record<string, string>> {
    if (LOCAL_COMMANDS.includes(first)) return { BATCHCTL_PROFILE: 'local' };
    return { BATCHCTL_PROFILE: 'remote', BATCHCTL_TOKEN: this.#token };
  }
}

const configOf = (url: string): unknown => ({
  profile: 'local',
  profiles: { local: { backend: 'local' }, remote: { backend: 'manager', url } },
});
