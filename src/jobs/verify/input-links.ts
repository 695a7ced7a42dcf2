import { type StepSpec, sectionStart, takesFiles } from '../../model/job.ts';
import { lateTasks } from '../../model/lost-outputs.ts';
import type { OutputMeta } from '../../model/output.ts';
import { TaskBits } from '../../model/task-set.ts';
import { checksumNumber, shortChecksum, TaskColumn } from '../../model/verify/task-column.ts';
import type { OpenedGather } from '../../model/view.ts';
import { GatherDigest } from '../gather-digest.ts';

/** An output that was made from something else than its input is now. */
export interface OtherInput {
  readonly index: number;
  readonly task: number;
  /** The task's input, for people: `price/2`. */
  readonly input: string;
  /** The checksum that its worker recorded, and the one that the input has now, or the beginning of one. */
  readonly recorded: string;
  readonly found: string;
}

type Sums = Pick<OutputMeta, 'checksum' | 'inputChecksum'>;

/**
 * Compares what each output was made from with what its input is now: the output before it in its chain, all outputs
 * that a gather took, or the file of an exploded output. An output that names no input, as those of earlier builds, is not
 * compared. Takes eight bytes a task, of two steps at a time.
 */
export class InputLinks {
  readonly #steps: readonly StepSpec[];
  readonly #opened: readonly (OpenedGather | null)[];
  readonly #sizes: readonly number[];
  #index = -1;
  #before = new TaskColumn();
  #current = new TaskColumn();
  /** Over the outputs of the current step that count, in task order; and how many these are. */
  #digest = new GatherDigest();
  #counted = 0;
  #gathered: { readonly checksum: string; readonly outputs: number } | null = null;
  #late = new TaskBits(0);
  /** By step index: the tasks whose outputs were made from another input. */
  readonly #others = new Map<number, TaskBits>();
  /** By the step that takes files: the checksums that its outputs were made from. */
  readonly #files = new Map<number, TaskColumn>();

  /** `sizes`: how many tasks each step has. */
  constructor(steps: readonly StepSpec[], opened: readonly (OpenedGather | null)[], sizes: readonly number[]) {
    this.#steps = steps;
    this.#opened = opened;
    this.#sizes = sizes;
  }

  /** Adds a sound output. Call it step by step, in the order of the tasks. Returns how its input differs, or null. */
  add(index: number, task: number, meta: Sums): OtherInput | null {
    while (this.#index < index) this.#nextStep();
    this.#current.set(task, checksumNumber(meta.checksum));
    if (!this.#late.has(task)) {
      this.#digest.add(meta.checksum);
      this.#counted += 1;
    }
    return this.#noted(this.#compare(index, task, meta.inputChecksum));
  }

  /** Compares a file with the output that the task of it made; `index` is that of the task's step. */
  addFile(index: number, task: number, { checksum, input }: { checksum: string; input: string }): OtherInput | null {
    const recorded = this.#files.get(index)?.get(task) ?? null;
    if (recorded === null || recorded === checksumNumber(checksum)) return null;
    return this.#noted({ index, task, input, recorded: shortChecksum(recorded), found: checksum });
  }

  /**
   * The outputs, by step, that have to be made again: those made from another input, and those made from them in turn.
   * Null if files of one of them are tasks already: these can't be replaced.
   */
  stale(): readonly TaskBits[] | null {
    const stale: TaskBits[] = [];
    for (const [index, step] of this.#steps.entries()) {
      const before = stale[index - 1];
      const own = new TaskBits(this.#sizes[index] ?? 0, this.#others.get(index));
      if (before !== undefined && before.count > 0) {
        if (takesFiles(this.#steps, index) && this.#opened[index] !== null) return null;
        if (step.gather === true) own.add(0);
        else for (const task of before) own.add(task);
      }
      stale.push(own);
    }
    return stale;
  }

  #noted(other: OtherInput | null): OtherInput | null {
    if (other === null) return null;
    const others = this.#others.get(other.index) ?? new TaskBits(this.#sizes[other.index] ?? 0);
    others.add(other.task);
    this.#others.set(other.index, others);
    return other;
  }

  #compare(index: number, task: number, recorded: string | undefined): OtherInput | null {
    if (recorded === undefined) return null;
    if (takesFiles(this.#steps, index)) {
      const column = this.#files.get(index) ?? new TaskColumn();
      this.#files.set(index, column);
      column.set(task, checksumNumber(recorded));
      return null;
    }
    const before = this.#steps[index - 1]?.name ?? '';
    if (this.#steps[index]?.gather === true) {
      // Outputs that are gone or altered are reported as such.
      if (this.#gathered === null || this.#gathered.outputs !== this.#opened[index]?.count) return null;
      const found = this.#gathered.checksum;
      return found === recorded ? null : { index, task, input: `the outputs of ${before}`, recorded, found };
    }
    if (sectionStart(this.#steps, index) === index) return null;
    const found = this.#before.get(task);
    if (found === null || found === checksumNumber(recorded)) return null;
    return { index, task, input: `${before}/${task}`, recorded, found: shortChecksum(found) };
  }

  #nextStep(): void {
    this.#gathered = { checksum: this.#digest.finish(), outputs: this.#counted };
    this.#index += 1;
    this.#before = this.#current;
    this.#current = new TaskColumn();
    this.#digest = new GatherDigest();
    this.#counted = 0;
    this.#late = lateTasks(this.#opened[this.#index + 1] ?? null, this.#sizes[this.#index] ?? 0);
  }
}

export function otherInputText(
  steps: readonly StepSpec[],
  { index, task, input, recorded, found }: OtherInput,
): string {
  return `${steps[index]?.name}/${task} was made from an input with ${recorded}, but ${input}, which it reads, has ${found} now`;
}
