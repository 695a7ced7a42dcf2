import { readFileSync } from 'node:fs';

/** Clock ticks a second in /proc: 100 on every Linux that Node runs on. */
const TICKS = 100;
const MOST_PROCESSES = 64;

/**
 * Resource usage of a command, sampled from /proc while it runs, so that a short command costs nothing. Null without
 * /proc or a sample: unknown is never 0.
 */
export class ProcessUsage {
  readonly #shell: number;
  #ticksBefore: number | null = null;
  #peak = 0;

  /** Sets the id of the shell that is the command's parent. */
  constructor(shell: number) {
    this.#shell = shell;
    this.#ticksBefore = childTicks(shell);
  }

  /** Samples the memory of the command and its descendants: the maximum of their sum, or of a single one. */
  sample(): void {
    let resident = 0;
    const waiting = childrenOf(this.#shell);
    for (let looked = 0, pid = waiting.pop(); pid !== undefined && looked < MOST_PROCESSES; pid = waiting.pop()) {
      looked += 1;
      const status = readProc(`/proc/${pid}/status`);
      resident += bytesOf(status, 'VmRSS');
      this.#peak = Math.max(this.#peak, bytesOf(status, 'VmHWM'));
      waiting.push(...childrenOf(pid));
    }
    this.#peak = Math.max(this.#peak, resident);
  }

  /** After the shell has waited for the command: its CPU seconds, with those of children it waited for. */
  cpuSeconds(): number | null {
    const after = childTicks(this.#shell);
    return this.#ticksBefore === null || after === null ? null : (after - this.#ticksBefore) / TICKS;
  }

  peakMemory(): number | null {
    return this.#peak === 0 ? null : this.#peak;
  }
}

/** User and system ticks of the children that a process has waited for (proc(5): cutime, cstime). */
function childTicks(pid: number): number | null {
  const stat = readProc(`/proc/${pid}/stat`);
  // The name may contain anything, so count fields after its closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[13]) + Number(fields[14]);
  return Number.isNaN(ticks) ? null : ticks;
}

function childrenOf(pid: number): number[] {
  const list = readProc(`/proc/${pid}/task/${pid}/children`).trim();
  return list === '' ? [] : list.split(' ').map(Number);
}

function bytesOf(status: string, field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  return kilobytes === undefined ? 0 : Number(kilobytes) * 1024;
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
