import { MOST_PROBLEMS, type Problem } from '../../lib/problems.ts';
import { isRehearsalGroup } from '../../model/rehearsal.ts';
import { entriesOf, type Loose } from './loose.ts';

/** What must hold between a step's fields, and between steps. A null is no step at all, which is reported elsewhere. */
export function checkSteps(steps: readonly (Loose | null)[]): Problem[] {
  const problems: Problem[] = [];
  const places = new Map<string, number>();
  for (const [index, step] of steps.entries()) {
    if (problems.length > MOST_PROBLEMS) break;
    if (step === null) continue;
    const report = (field: string, message: string, key = false): void => {
      problems.push({ path: ['steps', index, ...field.split('.')], message, key });
    };
    if (typeof step.name === 'string') {
      const other = places.get(step.name);
      if (other === undefined) places.set(step.name, index);
      else
        report('name', `found ${JSON.stringify(step.name)}, which is steps[${other}] too; allowed: a name of its own`);
      if (step.name === 'input')
        report('name', 'found "input", which expect means the input by; allowed: another name');
    }
    const gather = step.gather === true;
    if (gather && index === 0)
      report('gather', 'the first step has nothing to gather; allowed from the second step on');
    if (!gather && (step.input === 'dir' || step.input === 'list')) {
      report('input', `found ${step.input}, which only a gather can have; allowed here: stdin, file`);
    }
    if (!gather || step.input === 'dir' || step.input === 'list') {
      const only = 'only a gather that reads joined outputs (input: stdin or file)';
      if (step.header === 'once') report('header', `${only} has a header to keep once`, true);
      if (step.join !== undefined) report('join', `${only} joins`, true);
    }
    if (step.explode === true) {
      const next = steps[index + 1];
      if (step.output !== 'files') report('explode', 'needs output: files, whose files become the parts');
      if (next === undefined) report('explode', 'needs a step after it, whose tasks the files become');
      else if (next?.gather === true) report('explode', 'needs a map step after it, not a gather');
    }
    if (step.interruptions !== undefined && step.fallback === undefined) {
      report('interruptions', 'needs fallback: the group that takes what was interrupted so often', true);
    }
    if (typeof step.group === 'string' && isRehearsalGroup(step.group))
      report('group', `found ${JSON.stringify(step.group)}, as only rehearsals name theirs; allowed: any other name`);
    if (typeof step.fallback === 'string' && step.fallback === (step.group ?? 'default')) {
      report('fallback', `found ${JSON.stringify(step.fallback)}, the step's own group; allowed: another group`);
    }
    const env = new Set(entriesOf(step.env).map(([name]) => name));
    for (const [name] of entriesOf(step.secrets)) {
      if (env.has(name)) report(`secrets.${name}`, 'is in env too; allowed: one of the two', true);
    }
  }
  return problems;
}
