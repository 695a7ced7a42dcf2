import { expect } from 'chai';
import { StackWorkspace } from '../infra/stack-workspace.ts';
import { type AccountClients, accountClients, createRole } from '../support/grid/account-clients.ts';
import { accountState } from '../support/grid/account-state.ts';
import type { Authorizer } from '../support/grid/authorizer.ts';
import type { Cloud } from '../support/grid/cloud.ts';
import type { AnyDocument } from '../support/iam.ts';
import { onEmulators, ReaderShell } from './reader-shell.ts';
import { type Instruction, instructionsOf, lasting } from './readme-blocks.ts';

/** The region of the pages' profiles, and another one of the account. */
const [HERE, THERE] = ['eu-west-1', 'us-east-1'];

/** Whose access key a command has: by default, that of the person for whom `infra policies` prints the rights. */
type Person = 'admin' | 'operator' | 'roller' | 'worker' | 'owner' | 'iam' | 'rest';

/** How a reader follows a command of a page. */
export interface Step {
  /** The command as the page has it. */
  readonly text: string;
  /** What the reader does first: changes a file, breaks something. */
  readonly first?: () => unknown;
  /** Words that the page leaves to the reader. */
  readonly words?: () => Readonly<Record<string, string>>;
  readonly as?: Person;
  /** What does the command's work here, of a service that is not emulated. */
  readonly instead?: () => Promise<void>;
  /** Whether the reader answers its question with yes; without a terminal that is a flag. */
  readonly confirms?: boolean;
  /** The exit codes that the page leads one to expect; by default 0. */
  readonly code?: number | readonly number[];
  /** The names of resources that appear and disappear: none by default. */
  readonly makes?: readonly string[];
  readonly removes?: readonly string[];
  /** Checks what the page says about the command, by its output. */
  readonly check?: (output: string) => unknown;
}

/** What follows a page in the account: its profile's stack is `month-end`, whose names match `own`. */
interface ReaderOptions {
  readonly cloud: Cloud;
  readonly authorizer: Authorizer;
  readonly own: RegExp;
  readonly env?: Readonly<Record<string, string>>;
  /** More of the account that no command may change. */
  readonly untouched?: (owner: AccountClients) => Promise<unknown>;
}

/**
 * A reader of a page of docs, in an account in which other people have stacks: one beside it, and one of the same name in
 * another region. Everyone has only the printed rights.
 */
export class PageReader {
  readonly shell: ReaderShell;
  /** The account's owner, who may do everything. */
  readonly owner: AccountClients;
  /** The account's own names, by those that stand for them in a file of the page. */
  names: Readonly<Record<string, string>> = {};
  /** The account after the last command. */
  #last: State | null = null;
  readonly #there: AccountClients;
  readonly #neighbours: StackWorkspace[] = [];
  readonly #options: ReaderOptions;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.shell = new ReaderShell({ ...onEmulators(options.cloud.url), ...options.env });
    this.owner = accountClients(options.cloud, { region: HERE });
    this.#there = accountClients(options.cloud, { region: THERE });
  }

  /** Makes the other stacks of the account. */
  async settle(): Promise<void> {
    const { cloud } = this.#options;
    // IAM has no regions, so the second stack of this name names a role that someone made for it.
    await createRole(this.owner, 'abroad');
    await this.owner.iam.createInstanceProfile({ InstanceProfileName: 'abroad' });
    await this.owner.iam.addRoleToInstanceProfile({ InstanceProfileName: 'abroad', RoleName: 'abroad' });
    for (const [stack, profile] of [
      ['month-end-two', { region: HERE }],
      ['month-end', { region: THERE, iam: { workerProfile: 'abroad' } }],
    ] as const) {
      const neighbour = new StackWorkspace(cloud);
      this.#neighbours.push(neighbour);
      const groups = { default: { instances: ['c7g.large'], visibility: '30s' } };
      neighbour.configure({ bucket: `${stack}-of-${profile.region}`, groups, ...profile }, stack);
      await neighbour.up();
    }
  }

  /** Gives the readers the rights that the page's profile prints for them. */
  async admit(): Promise<void> {
    const policies = new Map<string, AnyDocument>();
    for (const role of ['admin', 'operator', 'worker'] as const) {
      const { lines } = await this.shell.sh(`batchctl infra policies --for ${role} 2>/dev/null`);
      policies.set(role, JSON.parse(lines.join('\n')));
    }
    const of = (...roles: readonly string[]) => roles.flatMap((role) => policies.get(role) ?? []);
    const { authorizer } = this.#options;
    for (const role of ['admin', 'operator', 'worker'] as const) authorizer.admit(keyOf(role), ...of(role));
    authorizer.admit(keyOf('roller'), ...of('admin', 'operator'));
  }

  /** Gives a person the printed rights to create parts of the stack. */
  async admitParts(person: Person, ...parts: readonly string[]): Promise<void> {
    const policies = parts.map(async (part): Promise<AnyDocument> => {
      return JSON.parse(await this.alone(`batchctl infra policies --for admin --only ${part} 2>/dev/null`));
    });
    this.#options.authorizer.admit(keyOf(person), ...(await Promise.all(policies)));
  }

  /** Follows a page. `unrun`: the commands that can't be run here, each with the reason. */
  async follow(page: string, steps: readonly Step[], unrun: Readonly<Record<string, string>>): Promise<void> {
    const instructions = instructionsOf(page);
    const commands = instructions.flatMap((each) => (each.kind === 'command' ? [each.text] : []));
    expect(commands.filter((text) => !(text in unrun))).to.deep.equal(steps.map(({ text }) => text));
    expect(Object.keys(unrun).filter((text) => !commands.includes(text))).to.deep.equal([]);
    const left = [...steps];
    for (const instruction of instructions) {
      if (instruction.kind === 'file') this.shell.write(instruction.name, inserted(instruction.text, this.names));
      else if (left[0]?.text === instruction.text) await this.#take(left.shift(), instruction);
    }
  }

  /** Runs a command that is not on the page, as its reader would beforehand. Returns what it printed. */
  async alone(script: string, as = personOf(script)): Promise<string> {
    const { code, lines } = await this.shell.sh(script, { AWS_ACCESS_KEY_ID: keyOf(as) });
    expect(code, `${script}\n${lines.join('\n')}`).to.equal(0);
    return lines.join('\n');
  }

  async #take(step: Step | undefined, { line, text, output }: Shown): Promise<void> {
    const {
      first,
      words,
      code = 0,
      makes = [],
      removes = [],
      confirms = false,
      instead,
      check,
      as = personOf(text),
    } = step ?? {};
    await first?.();
    const before = first === undefined && this.#last !== null ? this.#last : await this.#state();
    const script = inserted(text, words?.() ?? {});
    const env = { AWS_ACCESS_KEY_ID: keyOf(as) };
    const ended =
      instead === undefined
        ? await this.shell.sh(confirms ? `${script} --yes` : script, env)
        : await instead().then(() => ({ code: 0, lines: [] }));
    const printed = ended.lines.join('\n');
    const { refused } = this.#options.authorizer;
    const said = `line ${line}: ${script}\n${printed}\n${refused.join('\n')}`;
    expect([code].flat(), said).to.include(ended.code);
    expect(refused, said).to.deep.equal([]);
    if (output !== null) expect(lasting(ended.lines), said).to.deep.equal(lasting(output));
    const after = await this.#state();
    this.#last = after;
    expect(after.others, said).to.deep.equal(before.others);
    const made = after.own.filter((name) => !before.own.includes(name));
    const removed = before.own.filter((name) => !after.own.includes(name));
    expect({ made, removed }, said).to.deep.equal({ made: [...makes].sort(), removed: [...removes].sort() });
    await check?.(printed);
  }

  /** The names of the stack's resources, and everything else of the account. */
  async #state(): Promise<State> {
    const { own, untouched } = this.#options;
    const all = Object.entries(await accountState([this.owner, this.#there]));
    return {
      own: all.flatMap(([name]) => (own.test(name) ? [name] : [])),
      others: [all.filter(([name]) => !own.test(name)), await untouched?.(this.owner)],
    };
  }

  async close(): Promise<void> {
    await this.shell.remove();
    for (const neighbour of this.#neighbours) await neighbour.remove();
    this.owner.close();
    this.#there.close();
  }
}

interface State {
  readonly own: readonly string[];
  readonly others: unknown;
}

type Shown = Extract<Instruction, { readonly kind: 'command' }>;

const inserted = (text: string, words: Readonly<Record<string, string>>): string =>
  Object.entries(words).reduce((all, [word, value]) => all.replaceAll(word, value), text);

const keyOf = (person: Person): string => `AKID${person.toUpperCase()}`;

function personOf(text: string): Person {
  // Besides an administrator's rights, it needs an operator's, to order workers and to see why instances are missing.
  if (/^batchctl infra release .*--roll(?!b)/.test(text)) return 'roller';
  if (text.startsWith('batchctl worker ')) return 'worker';
  return text.startsWith('batchctl infra ') ? 'admin' : 'operator';
}
