/** What an onlooker saw, and since when (monotonic milliseconds): its memory between two looks. */
export interface Seen {
  readonly is: string;
  readonly since: number;
}
