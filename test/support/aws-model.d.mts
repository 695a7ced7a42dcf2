/** What a service's requests consist of. */
export interface Model {
  readonly service: string;
  /** The shape of each operation's input. */
  readonly inputs: Readonly<Record<string, string | null>>;
}

export function hasModels(): boolean;
export function readModel(service: string): Model;
export function departures(model: Model, operation: string, input: unknown): readonly string[];
export function readModelNames(service: string): ReadonlySet<string>;
