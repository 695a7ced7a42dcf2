import type { ComponentChildren } from 'preact';
import type { Tone } from '../words/tone.ts';

export interface Figure {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly tone?: Tone | null;
}

export function Figures({ figures }: { readonly figures: readonly Figure[] }) {
  return (
    <dl class="figures">
      {figures.map(({ name, value, note, tone = null }) => (
        <div key={name} class={tone ?? ''}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd class="small">{note}</dd>
        </div>
      ))}
    </dl>
  );
}
