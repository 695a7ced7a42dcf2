/** What `verify` doesn't detect, or can't; docs/proof.md has the same list, word for word. */
interface NotCovered {
  /** The mutations by `Mutation.alike`, after the shape of their job. */
  readonly alike: RegExp;
  /** As in docs/proof.md. */
  readonly what: string;
}

export const NOT_COVERED: readonly NotCovered[] = [
  {
    alike:
      /(job\.json|proofs\/\*\.json|opened\.json|pruned\.json|runs\/\*|out\/\*) one byte longer$|\.ndjson truncated$/,
    what: 'White space at the end of a JSON document, or of its last line.',
  },
  {
    alike: /proofs\/\*\.json deleted$/,
    what: 'The last proof, if it is removed: nothing else in the store mentions it. An evidence file elsewhere does.',
  },
  {
    alike: /out\/\* (metadata |meta\.)(worker|startedAt|endedAt|seconds|cpuSeconds|peakMemory) changed$/,
    what: 'Which worker made an output, when, and how many seconds and bytes of memory it took.',
  },
  {
    alike: /job\.json inputs\.\*\.(compression (changed|removed)|checksum removed)$/,
    what: 'How an input was compressed, and whether its checksum is null or absent.',
  },
  {
    alike: /opened\.json (id changed|bit flipped|replaced by a sibling)$|evidence opened id changed$/,
    what: 'The random id of an opened.json.',
  },
  {
    alike: /\/(tries|log|interruptions)\/\* |^retried and skipped: .*\/failed\/\* /,
    what: 'Logs, attempts that were retried, and why a task failed that has since succeeded or was skipped.',
  },
  {
    alike:
      /^tolerated: .*\/failed\/\* ((error|number|worker|startedAt|endedAt|cause|entries) (changed|removed)|bit flipped|one byte longer)$/,
    what: 'The error, worker, times and number of attempts of a task that failed for good.',
  },
  {
    alike: /code\/\* /,
    what: 'The archives of programs, `code/`. Each is named by its content, and a worker checks it before it runs one.',
  },
  {
    alike: /pruned\.json (deleted|finished (changed|removed)|checksum removed)$/,
    what: 'When a prune ended, and the mark pruned.json itself.',
  },
  {
    alike: /evidence evidence version changed$/,
    what: 'In an evidence file: the version of batchctl in its first line.',
  },
  {
    alike: /evidence proof key changed$/,
    what: 'In an evidence file: the number of its proof, unless it is the first.',
  },
  {
    alike: /evidence \w+ and shard swapped$/,
    what: 'In an evidence file: whether a digest follows all of its lines, or comes before the last one.',
  },
];

interface Counts {
  tried: number;
  found: number;
  refused: number;
  missed: number;
}

/** Counts mutations by the kind of object and their result. */
export class Tally {
  readonly #kinds = new Map<string, Counts>();
  readonly #used = new Set<NotCovered>();

  /**
   * Whether the result is as expected: found (exit 9), refused (4 or 8, if the job itself is gone), or known not to be
   * covered.
   */
  count(kind: string, alike: string, code: number | null): boolean {
    const counts = this.#kinds.get(kind) ?? { tried: 0, found: 0, refused: 0, missed: 0 };
    this.#kinds.set(kind, counts);
    counts.tried += 1;
    if (code === 9) counts.found += 1;
    else if (code === 4 || code === 8) counts.refused += 1;
    else {
      const known = NOT_COVERED.find((entry) => entry.alike.test(alike));
      if (known === undefined || code !== 0) return false;
      counts.missed += 1;
      this.#used.add(known);
    }
    return true;
  }

  /** Entries of the list that were found every time. */
  unused(): readonly string[] {
    return NOT_COVERED.filter((entry) => !this.#used.has(entry)).map(({ what }) => what);
  }

  /** As in docs/proof.md: in words, because a new field of a record changes the counts. */
  words(): string {
    const rows = [...this.#kinds].sort(([a], [b]) => (a < b ? -1 : 1));
    const lines = rows.map(
      ([kind, { tried, found, refused }]) =>
        `| ${kind.includes('/') ? `\`${kind}\`` : kind} | ${shareWord((found + refused) / tried)} |`,
    );
    return ['| object | alterations found |', '|---|---|', ...lines].join('\n');
  }

  /** What a run counted. */
  table(): string {
    const rows = [...this.#kinds].sort(([a], [b]) => (a < b ? -1 : 1));
    const total = { tried: 0, found: 0, refused: 0, missed: 0 };
    for (const [, counts] of rows)
      for (const name of ['tried', 'found', 'refused', 'missed'] as const) total[name] += counts[name];
    const lines = [...rows, ['all', total] as const].map(
      ([kind, { tried, found, refused, missed }]) => `| ${kind} | ${tried} | ${found} | ${refused} | ${missed} |`,
    );
    return ['| object | altered | found | refused | not covered |', '|---|---|---|---|---|', ...lines].join('\n');
  }
}

const shareWord = (share: number): string => {
  if (share === 0) return 'none';
  if (share === 1) return 'all';
  if (share >= 0.96) return 'nearly all';
  return share >= 0.5 ? 'most' : 'few';
};
