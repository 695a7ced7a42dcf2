/** A crontab's lines, as cron reads them. */
export interface Crontab {
  /** `NAME=value` lines: the environment of the commands. */
  readonly env: Readonly<Record<string, string>>;
  readonly entries: readonly CronEntry[];
}

export interface CronEntry {
  /** As it stands in the crontab. */
  readonly line: string;
  /** Minute, hour, day of month, month, day of week; null for `@reboot`. */
  readonly fields: readonly string[] | null;
  /** What `sh -c` gets: `\%` is a `%`. */
  readonly command: string;
}

/** The crontabs of a page: its blocks fenced as `crontab`, in order. */
export function crontabsIn(page: string): readonly Crontab[] {
  return [...page.matchAll(/^```crontab\n([\s\S]*?)^```$/gm)].map((match) => parseCrontab(match[1] ?? ''));
}

export function parseCrontab(text: string): Crontab {
  const env: Record<string, string> = {};
  const entries: CronEntry[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const setting = /^(\w+)\s*=\s*(.*)$/.exec(line);
    if (setting?.[1] !== undefined) env[setting[1]] = setting[2] ?? '';
    else entries.push(entryOf(line));
  }
  return { env, entries };
}

function entryOf(line: string): CronEntry {
  const match = /^(?:@reboot|(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+))\s+(.*)$/.exec(line);
  const command = match?.[6];
  if (match === null || command === undefined) throw new Error(`no crontab line: ${line}`);
  if (/(^|[^\\])%/.test(command)) throw new Error(`cron ends this command at its first %: ${line}`);
  const fields = match.slice(1, 6);
  return { line, fields: line.startsWith('@') ? null : fields, command: command.replaceAll('\\%', '%') };
}

/** A wall clock's reading, as cron compares it with a line. */
export interface WallTime {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

/** What the clocks of a zone show at an instant. */
export function wallTime(instant: Date, zone: string): WallTime {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    minute: 'numeric',
    hour: 'numeric',
    day: 'numeric',
    month: 'numeric',
    weekday: 'short',
  }).formatToParts(instant);
  const text = (type: string): string => parts.find((part) => part.type === type)?.value ?? '';
  const number = (type: string): number => Number(text(type));
  const weekday = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'].indexOf(text('weekday'));
  return { minute: number('minute'), hour: number('hour'), day: number('day'), month: number('month'), weekday };
}

/** Whether cron starts the line in that minute. If both days are restricted, either is enough: as crontab(5) has it. */
export function isDue({ fields }: CronEntry, at: WallTime): boolean {
  if (fields === null) return false;
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fields;
  if (!matches(minute, at.minute) || !matches(hour, at.hour) || !matches(month, at.month)) return false;
  const byDay = matches(day, at.day);
  const byWeekday = matches(weekday, at.weekday) || (at.weekday === 0 && matches(weekday, 7));
  return day.startsWith('*') || weekday.startsWith('*') ? byDay && byWeekday : byDay || byWeekday;
}

/** Lists, ranges and `*`: what the page uses. */
function matches(field: string, value: number): boolean {
  return field.split(',').some((item) => {
    if (item === '*') return true;
    const [from, to = from] = item.split('-').map(Number);
    if (from === undefined || to === undefined || Number.isNaN(from + to)) throw new Error(`not a field: ${field}`);
    return from <= value && value <= to;
  });
}
