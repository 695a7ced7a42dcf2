import { signal, useSignal } from '@preact/signals';
import type { ComponentChildren, FunctionComponent, RefObject } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { fixSteps } from '../../model/finding.ts';
import { CallError } from '../call.ts';
import type { ListResult, QueryResult } from '../use-query.ts';

/** The line that screen readers announce; only for events that matter to a person. */
export const announced = signal('');

export function announce(text: string): void {
  announced.value = announced.peek() === text ? `${text}\u00a0` : text;
}

/** The modal dialog of a component: opened with it. Afterwards the focus returns to where it was. */
export function useModal(): RefObject<HTMLDialogElement | null> {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      else document.querySelector<HTMLElement>('main')?.focus();
    };
  }, []);
  return dialog;
}

interface CopyButtonProps {
  readonly text: string;
  readonly children: ComponentChildren;
  /** The button's label after copying, until the text changes. */
  readonly copied: ComponentChildren;
}

/** Nothing where the browser lets the page copy nothing. */
export function CopyButton({ text, children, copied }: CopyButtonProps) {
  const last = useSignal<string | null>(null);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    last.value = text;
    announce('copied');
  };
  if (navigator.clipboard === undefined) return null;
  return (
    <button type="button" class="quiet" onClick={() => void copy().catch(() => announce('copying failed'))}>
      {last.value === text ? copied : children}
    </button>
  );
}

export function Command({ children }: { readonly children: string }) {
  const name = <span class="sr"> {children}</span>;
  return (
    <span class="command">
      <code>{children}</code>
      <CopyButton text={children} copied={<>copied{name}</>}>
        copy{name}
      </CopyButton>
    </span>
  );
}

/** The steps of a fix, as `why` and `failures` write it. */
export function FixSteps({ fix }: { readonly fix: string }) {
  return fixSteps(fix).map(({ command, remark }) => (
    <p key={`${command} ${remark}`} class="act">
      {command !== '' && <Command>{command}</Command>} {remark}
    </p>
  ));
}

interface SectionProps {
  readonly title: string;
  readonly lead?: ComponentChildren;
  /** Shown beside the title. */
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Section({ title, lead, tools, children }: SectionProps) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <div class="heading">
        <h2 id={id}>{title}</h2>
        {tools !== undefined && <div class="tools">{tools}</div>}
      </div>
      {lead !== undefined && <p class="lead">{lead}</p>}
      {children}
    </section>
  );
}

export function Empty({ children, command }: { readonly children: string; readonly command?: string }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command !== undefined && <Command>{command}</Command>}
    </div>
  );
}

export function Loading({ what }: { readonly what: string }) {
  return <p class="loading">Loading {what}...</p>;
}

export function Problem({ error, again }: { readonly error: CallError; readonly again?: () => void }) {
  return (
    <div class="alarm" role="alert">
      <p>
        <b>{error.message}</b>
      </p>
      {error.hint !== null && <p>{error.hint}</p>}
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Why a query has no new answer, or that its first one is still to come; nothing once it has one. */
export function QueryStatus({ query, what }: { readonly query: QueryResult<unknown>; readonly what: string }) {
  if (query.error !== null) return <Problem error={query.error} again={query.again} />;
  return query.document === null ? <Loading what={what} /> : null;
}

interface MorePagesProps {
  readonly list: ListResult<unknown>;
  /** The button's text. */
  readonly children: string;
}

/** Reads the next page of a list; nothing once it is complete. */
export function MorePages({ list: { more, busy }, children }: MorePagesProps) {
  if (more === null) return null;
  return (
    <p class="buttons">
      <button type="button" onClick={more} aria-disabled={busy}>
        {busy ? 'Loading...' : children}
      </button>
    </p>
  );
}

interface LogBoxProps {
  readonly name: string;
  readonly text: string;
  /** Stays at the end while text is added, unless a person has scrolled up. */
  readonly follow?: boolean;
}

/** Pixels from the end that still count as its end. */
const NEAR = 24;

/** Preformatted text that scrolls, also by keyboard. */
export function LogBox({ name, text, follow = false }: LogBoxProps) {
  const box = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    const { current } = box;
    if (follow && current !== null && atEnd.current) current.scrollTop = current.scrollHeight;
  }, [text, follow]);
  const onScroll = (event: { readonly currentTarget: HTMLElement }): void => {
    const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
    atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR;
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section ref={box} class="log" tabIndex={0} aria-label={name} onScroll={onScroll}>
      <pre>{text}</pre>
    </section>
  );
}

/** A part of the page that is loaded when it is first shown. */
export function LazyPart<Props extends object>({
  load,
  ...props
}: Props & { readonly load: () => Promise<FunctionComponent<Props>> }) {
  const part = useSignal<FunctionComponent<Props> | null>(null);
  const error = useSignal<CallError | null>(null);
  const turn = useSignal(0);
  useEffect(() => {
    load().then(
      (loaded) => {
        part.value = loaded;
        error.value = null;
      },
      () => {
        const hint = 'check the connection to the manager';
        error.value = new CallError(0, 'this part of the page could not be loaded', hint);
      },
    );
  }, [turn.value]);
  const Part = part.value;
  if (Part !== null) return <Part {...(props as unknown as Props)} />;
  if (error.value === null) return <Loading what="this part" />;
  const again = (): void => {
    turn.value += 1;
  };
  return <Problem error={error.value} again={again} />;
}
