import { setTimeout as delay } from 'node:timers/promises';
import { hasMark, markedProcesses, type PidClock, type ProcessMark } from './process-marks.ts';
import type { SlotShell } from './slot-shell.ts';
import type { StrayFifo } from './stray-fifo.ts';

/** Children that end right after their parent, as in a pipeline, are not strays. */
const COURTESY_MS = 20;
/** Time from SIGTERM to SIGKILL for processes that a command left. */
const TERM_MS = 1_000;
/** A process that the kernel can't end (a dead disk) is left alone. */
const KILL_MS = 10_000;
const POLL_MS = 5;
/** Runtimes that close inherited descriptors, including the FIFO, take longer than this to start. */
const SHORT_SECONDS = 0.005;

export interface EndedCommand {
  /** How its processes are recognised. */
  readonly mark: ProcessMark;
  readonly shell: SlotShell;
  readonly fifo: StrayFifo;
  readonly pids: PidClock;
  /** The result of `pids` when the command started. */
  readonly firstPid: number | null;
  readonly seconds: number;
}

/**
 * Ends whatever a command left behind, and answers how many processes that were (at least; 1 where they can't be counted).
 * Afterwards nobody writes to the command's files any more. A child is found by the FIFO that it holds or by the attempt's
 * id in its environment, so one that gave up both and left the process group is not found; where the slot has a user group
 * of its own, that is. Without /proc only the process group is ended.
 */
export async function endStrays(command: EndedCommand): Promise<number> {
  const { fifo, shell, pids, firstPid, mark } = command;
  const held = fifo.held();
  if (!held && mark.group === null && command.seconds < SHORT_SECONDS) return 0;
  const found = new Set(held ? [] : pids.markedSince(firstPid, mark));
  if (!held && found.size === 0) return 0;
  // In a group of its own also what it starts meanwhile, and what holds nothing, can't slip away.
  const alive = () =>
    mark.group === null ? [...found].some((pid) => hasMark(pid, mark)) : pids.markedSince(firstPid, mark).length > 0;
  const left = () => fifo.held() || alive();
  if (await ended(left, COURTESY_MS)) return 0;
  shell.signal('SIGTERM');
  found.clear();
  signalMarked(mark, 'SIGTERM', found);
  if (!(await ended(left, TERM_MS))) {
    await shell.kill();
    const deadline = performance.now() + KILL_MS;
    do signalMarked(mark, 'SIGKILL', found);
    while (!(await ended(left, COURTESY_MS)) && performance.now() < deadline);
  }
  return Math.max(1, found.size);
}

async function ended(left: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (left()) {
    if (performance.now() >= deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

function signalMarked(mark: ProcessMark, signal: 'SIGTERM' | 'SIGKILL', found: Set<number>): void {
  for (const pid of markedProcesses(mark)) {
    // Looked at once more just before, so that the id can hardly have come to name another process.
    if (pid <= 1 || !hasMark(pid, mark)) continue;
    found.add(pid);
    try {
      process.kill(pid, signal);
    } catch {
      // it ended in between
    }
  }
}
