import { createHash, type Hash } from 'node:crypto';
import { takesFiles } from '../../../model/job.ts';
import { stagedTaskPrefix } from '../../../model/keys.ts';
import { manifestLines } from '../../../model/output.ts';
import { TaskBits, tasksIn } from '../../../model/task-set.ts';
import type { FileLine } from '../../../model/verify/evidence.ts';
import { checksumNumber, shortChecksum } from '../../../model/verify/task-column.ts';
import type { JobView, OpenedGather } from '../../../model/view.ts';
import type { EndsCheck } from './ends-check.ts';
import { isChecksum, type Say } from './record-check.ts';

/** Checks the files that one step took for its tasks, as the evidence lists them: each once, from published outputs. */
export class FilesCheck {
  readonly #job: string;
  readonly #step: string;
  /** The step before, which made the files. */
  readonly #from: string;
  readonly #count: number;
  readonly #makers: EndsCheck;
  readonly #takers: EndsCheck | null;
  readonly #published: TaskBits;
  readonly #leftOut: TaskBits;
  readonly #say: Say;
  #next = 0;
  /** The task whose files come, and what came of it. */
  #maker = 0;
  #bytes = 0;
  #lines: Hash = createHash('sha256');
  #last = '';

  /** `ends`: the checks of the ends of all steps. */
  constructor(
    view: JobView,
    index: number,
    opened: OpenedGather,
    ends: readonly EndsCheck[],
    makers: EndsCheck,
    say: Say,
  ) {
    const { steps } = view.record.spec;
    this.#job = view.record.job;
    this.#step = steps[index]?.name ?? '';
    this.#from = steps[index - 1]?.name ?? '';
    this.#count = opened.count;
    this.#makers = makers;
    this.#takers = ends[index] ?? null;
    this.#published = makers.facts.published;
    this.#leftOut = new TaskBits(this.#published.size, tasksIn(opened.leftOut));
    this.#say = say;
  }

  take(line: FileLine): void {
    const { n, from, key, name, size, checksum } = line;
    if (n !== this.#next) this.#say('files', `expected file ${this.#next} of ${this.#step}, found ${n}`);
    this.#next = n + 1;
    if (line.kind !== 'file' || !isChecksum(checksum))
      this.#say('files', `file ${n} of ${this.#step} is a ${line.kind} with the checksum ${checksum}`);
    const maker = Number(from.slice(this.#from.length + 1));
    const isTaken = this.#published.has(maker) && !this.#leftOut.has(maker);
    if (from !== `${this.#from}/${maker}` || !isTaken || maker < this.#maker) {
      this.#say('files', `file ${n} of ${this.#step} is attributed to ${from}, which has no valid output`);
      return;
    }
    while (this.#maker < maker) this.#endMaker();
    if (this.#last !== '' && name <= this.#last)
      this.#say('files', `file ${n} of ${this.#step}, ${name}, is duplicated or out of order`);
    this.#last = name;
    const prefix = stagedTaskPrefix(this.#job, this.#from, maker);
    if (!key.startsWith(prefix) || !key.endsWith(`/files/${name}`))
      this.#say('files', `file ${n} of ${this.#step} is attributed to ${from}, which did not stage ${key}`);
    const read = this.#takers?.bytesIn.get(n) ?? null;
    if (read !== null && read !== size)
      this.#say('bytesIn', `${this.#step}/${n} read ${read} bytes, but its file, ${name} of ${from}, has ${size}`);
    this.#bytes += size;
    this.#lines.update(manifestLines([line]));
  }

  finish(): void {
    while (this.#maker < this.#published.size) this.#endMaker();
    if (this.#next !== this.#count)
      this.#say('files', `step ${this.#step} was opened with ${this.#count} files, but ${this.#next} are listed`);
  }

  /** Compares the files of a task with its output. */
  #endMaker(): void {
    const maker = this.#maker;
    const [bytes, sum] = [this.#bytes, checksumNumber(`sha256:${this.#lines.digest('hex')}`)];
    this.#maker += 1;
    this.#bytes = 0;
    this.#lines = createHash('sha256');
    this.#last = '';
    if (!this.#published.has(maker) || this.#leftOut.has(maker)) return;
    const [bytesOut, checksum] = [this.#makers.bytesOut.get(maker), this.#makers.checksums.get(maker)];
    if (bytesOut === null || checksum === null || (bytesOut === bytes && checksum === sum)) return;
    const [listed, stated] = [`${bytes} bytes and ${shortChecksum(sum)}`, `${bytesOut} and ${shortChecksum(checksum)}`];
    this.#say('fileSum', `the files of ${this.#from}/${maker} have ${listed}, but its output has ${stated}`);
  }
}

/** One check for each step that takes files; null for the others. */
export function filesChecks(
  view: JobView,
  opened: readonly (OpenedGather | null)[],
  ends: readonly EndsCheck[],
  say: Say,
): readonly (FilesCheck | null)[] {
  return opened.map((found, index) => {
    const makers = ends[index - 1];
    if (found === null || makers === undefined || !takesFiles(view.record.spec.steps, index)) return null;
    return new FilesCheck(view, index, found, ends, makers, say);
  });
}
