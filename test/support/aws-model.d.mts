/** What a service's requests consist of. */
export interface Model {
  readonly service: string;
  /** The shape of each operation's input. */
  readonly inputs: Readonly<Record<string, string | null>>;
}

/** Where a shape is used. */
export interface Ref {
  readonly shape: string;
  /** Outside of the body. */
  readonly location?: string;
  readonly locationName?: string;
  readonly xmlAttribute?: boolean;
}

export interface Shape {
  readonly type: string;
  readonly members?: Readonly<Record<string, Ref>>;
  readonly required?: readonly string[];
  readonly payload?: string;
  readonly member?: Ref;
  readonly key?: Ref;
  readonly value?: Ref;
  readonly flattened?: boolean;
  readonly timestampFormat?: string;
  readonly enum?: readonly string[];
  readonly exception?: boolean;
  readonly error?: { readonly code?: string; readonly httpStatusCode?: number };
}

export interface Operation {
  readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode?: number };
  readonly input?: Ref;
  readonly deprecated?: boolean;
  readonly output?: Ref & { readonly resultWrapper?: string };
}

/** What a service's answers consist of. */
export interface AnswerModel {
  readonly protocol: string;
  readonly operations: Readonly<Record<string, Operation>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}

export function hasModels(): boolean;
export function readModel(service: string): Model;
export function departures(model: Model, operation: string, input: unknown): readonly string[];
export function readAnswers(service: string): AnswerModel;
export function readModelNames(service: string): ReadonlySet<string>;
