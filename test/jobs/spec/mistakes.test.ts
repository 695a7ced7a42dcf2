// Protects: each mistake in a job file is reported with its line and field.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { parseJobFile, specOfValue } from '../../../src/jobs/spec/job-file.ts';
import { failsWith } from '../../support/rejection.ts';

/** `found` is a part of the message, which begins with `at` and `field`. */
type Mistake = readonly [what: string, text: string, at: string, field: string, found: string];

const OPEN_QUOTE = 'found a quote without its end, expected the same quote again';

/** What people type who don't know YAML; the file's second line. */
const YAML_MISTAKES: readonly (readonly [what: string, text: string, at: string, found: string])[] = [
  ['a tab', 'labels:\n\ta: b', '3:1', 'found a tab at the beginning of a line, expected spaces'],
  ['text with a colon', 'labels: { a: b }\nx: run: y', '3:4', 'text with ": " in it needs quotes'],
  ['a line without a colon', 'labels', '2:1', 'found a line without ":", expected "field: value"'],
  ['a reserved character', 'x: @now', '2:4', 'found text that begins with "@", expected quotes around it'],
  ['a percent sign', 'x: %d', '2:4', 'found text that begins with "%", expected quotes around it'],
  ['an open bracket', 'files: [a, b', '2:8', 'found [ without its end, expected ]'],
  ['an open brace', 'labels: {a: b', '2:9', 'found { without its end, expected }'],
  ['an open bracket within another', 'files: [a, [b', '2:12', 'found [ without its end, expected ]'],
  ['an open quote within brackets', "labels: { a: 'b }", '2:14', OPEN_QUOTE],
  ['an open quote', 'labels:\n  a: "b\n  c: d', '3:6', OPEN_QUOTE],
  ['an open quote before another', 'labels:\n  a: "b\n  c: d\nx: "y"', '3:6', OPEN_QUOTE],
  ['a name in an open quote', '"ab: c', '2:1', OPEN_QUOTE],
  ['a bracket too many', 'files: [a]]', '2:11', 'found "]", which does not belong here'],
  ['an escape', 'x: "\\d"', '2:5', 'found an unknown escape within "", expected one such as'],
  ['a second document', '---\nname: b', '2:1', 'found a second document after ---, expected one'],
  ['a list after its field', 'files: - a', '2:8', 'found a list on the line of its field, expected it on the next'],
  ['another column', 'labels:\n    a: b\n  c: d', '4:1', 'found another indentation than in the lines before'],
  ['text after a quote', 'x: "a" b', '2:8', 'found "b", which does not belong here'],
];

const IN_FILE: readonly Mistake[] = [
  ['an empty file', '', '1:1', '', 'found nothing, allowed: a map with at least name and steps'],
  ['a list', '[1]', '1:1', '', 'found a list'],
  ['a missing name', 'steps: [{ name: s, run: x }]', '1:1', 'name', 'is missing, needed: a job name'],
  ['missing steps', 'name: a', '1:1', 'steps', 'is missing, needed: a list of steps'],
  ['no steps', 'name: a\nsteps: []', '2:8', 'steps', 'found an empty list, allowed: at least one step'],
  ['a bad name', 'name: Big Job\nsteps: [{ name: s, run: x }]', '1:7', 'name', 'found "Big Job"'],
  ['the reserved name', 'name: last\nsteps: [{ name: s, run: x }]', '1:7', 'name', 'not last'],
  [
    'a duplicate key',
    'name: a\nname: b\nsteps: [{ name: s, run: x }]',
    '2:1',
    '',
    'found the field "name" a second time, expected it once',
  ],
  ['truncated text', 'name: a\nsteps: [', '2:8', '', 'found [ without its end, expected ]'],
  ['an unknown tag', 'name: !x a\nsteps: [{ name: s, run: x }]', '1:7', '', 'found the tag "!x", expected none'],
  ...YAML_MISTAKES.map(
    ([what, text, at, found]): Mistake => [what, `name: a\n${text}\nsteps: [{ name: s, run: x }]`, at, '', found],
  ),
  [
    'a field named as a property of every object',
    'name: a\nconstructor: b\nsteps: [{ name: s, run: x }]',
    '2:1',
    'constructor',
    'unknown field',
  ],
  ['a missing run', 'name: a\nsteps: [{ name: s }]', '2:9', 'steps[0].run', 'is missing, needed: a list of program'],
  ['an empty run', 'name: a\nsteps: [{ name: s, run: " " }]', '2:25', 'steps[0].run', 'found " "'],
  [
    'a map in an argv',
    'name: a\nsteps: [{ name: s, run: [cat, {input}] }]',
    '2:31',
    'steps[0].run[1]',
    'in quotes where YAML needs them: "{input}"',
  ],
  [
    'nothing in an argv',
    'name: a\nsteps:\n- name: s\n  run:\n  - cat\n  -\n',
    '6:4',
    'steps[0].run[1]',
    'found nothing',
  ],
  ['a number as a command', 'name: a\nsteps: [{ name: s, run: 28 }]', '2:25', 'steps[0].run', 'found 28'],
  ['a step that is text', 'name: a\nsteps: [x]', '2:9', 'steps[0]', 'found "x", allowed: a step'],
];

const IN_JOB: readonly Mistake[] = [
  ['an unknown field', 'step: 1', '2:1', 'step', 'did you mean steps?'],
  ['an unknown field unlike any other', 'colour: 1', '2:1', 'colour', 'unknown field "colour" (known: '],
  ['a field of another map', 'split: file', '2:1', 'split', '); it is a field of input'],
  ['a field of steps', 'timeout: 5m', '2:1', 'timeout', '); it is a field of steps'],
  ["a merge key, which YAML 1.2 doesn't have", '<<: { x: 1 }', '2:1', '["<<"]', 'unknown field "<<"'],
  ['an unknown anchor', 'params: *p', '2:9', '', 'p'],
  ['__proto__', 'params: { __proto__: 1 }', '2:11', '', '__proto__ is not a field'],
  ['an absolute file', 'files: [/etc/passwd]', '2:9', 'files[0]', 'found "/etc/passwd"'],
  ['a file outside', 'files: [a, ../b]', '2:12', 'files[1]', 'without ..'],
  ['a file outside by a roundabout path', 'files: [a/../../b]', '2:9', 'files[0]', 'without ..'],
  ['files that are no list', 'files: a', '2:8', 'files', 'found "a", allowed: a list of paths or globs'],
  ['an invalid parameter name', 'params: { a-b: 1 }', '2:11', 'params.a-b', 'letters, digits and _'],
  ['a reserved parameter', 'params: { item: 1 }', '2:11', 'params.item', 'reserved'],
  ['a parameter named as the period', 'params: { period: x }', '2:11', 'params.period', 'reserved'],
  [
    'an input of a grid',
    'input: { from: a.csv, split: { by: grid, axes: { a: [1] } } }',
    '2:10',
    'input.from',
    'split by grid needs none',
  ],
  ['parameters that differ in case', 'params: { a: 1, A: 2 }', '2:17', 'params.A', 'BATCHCTL_PARAM_A'],
  ['a parameter without value', 'params: { a: }', '2:14', 'params.a', 'found nothing'],
  ['a parameter that is a list', 'params: { a: [1] }', '2:14', 'params.a', 'found a list'],
  ['an unknown placeholder', 'params: { region: x }\ninput: { from: "{regin}.csv" }', '3:16', 'input.from', 'region?'],
  ['a placeholder in a list', 'input: { from: [a, "{item}"] }', '2:20', 'input.from[1]', 'known: period'],
  ['an input with a web address', 'input: { from: "https://x/y" }', '2:16', 'input.from', 'store:KEY'],
  ['an s3 input without key', 'input: { from: "s3://bucket" }', '2:16', 'input.from', 's3://BUCKET/KEY'],
  ['a job input without step', 'input: { from: "job:last" }', '2:16', 'input.from', 'job:ID/STEP'],
  ['an empty list of inputs', 'input: { from: [] }', '2:16', 'input.from', 'at least one input'],
  ['a split as on the command line', 'input: { split: "csv:1MB" }', '2:17', 'input.split', '{ by: csv, size: 32MB }'],
  ['neither every nor size', 'input: { split: { by: lines } }', '2:17', 'input.split', 'requires every'],
  ['input for a range', 'input: { from: a, split: { by: range, from: 1, to: 5 } }', '2:10', 'input.from', 'needs none'],
  [
    'an axis that is a parameter',
    'params: { a: 1 }\ninput: { split: { by: grid, axes: { a: [1] } } }',
    '3:37',
    'input.split.axes.a',
    'BATCHCTL_PARAM_A',
  ],
  [
    'a doubled value of an axis',
    'input: { split: { by: grid, axes: { region: [EU, US, EU] } } }',
    '2:54',
    'input.split.axes.region[2]',
    'found "EU", which is also region[0]; allowed: different values',
  ],
  [
    'a doubled number of an axis',
    'input: { split: { by: grid, axes: { rate: [1, 2, "1"] } } }',
    '2:50',
    'input.split.axes.rate[2]',
    'which is also rate[0]',
  ],
  ['a negative tolerance', 'tolerate: -1', '2:11', 'tolerate', 'found -1'],
  ['a tolerance over all', 'tolerate: 101%', '2:11', 'tolerate', 'found "101%"'],
  ['half a chain tolerated', 'tolerate: 0.5', '2:11', 'tolerate', 'a count from 0'],
  ['a halt without %', 'halt: 5', '2:7', 'halt', 'such as 5%'],
  ['a halt of 0%', 'halt: 0%', '2:7', 'halt', 'over 0%'],
  ['an unknown onFailure', 'onFailure: halt', '2:12', 'onFailure', 'found "halt", allowed: finish, stop'],
  ['a single =', 'expect: [s.a = input.records]', '2:10', 'expect[0]', 'did you mean ==?'],
  ['an expect of an unknown step', 'expect: [t.a == input.records]', '2:10', 'expect[0]', 'unknown step "t"'],
  ['an unknown count of the input', 'expect: [s.a == input.record]', '2:10', 'expect[0]', 'did you mean records?'],
  ['an invalid label name', 'labels: { "a b": 1 }', '2:11', 'labels["a b"]', 'a label name'],
  ['maxRunning 0', 'maxRunning: 0', '2:13', 'maxRunning', 'found 0'],
  ['too many tasks', 'maxTasks: 100000001', '2:11', 'maxTasks', 'allowed: a whole number from 1 to 100000000'],
  ['a delivery to nowhere', 'deliver: {}', '2:10', 'deliver.to', 'is missing'],
  ['a delivery name outside', 'deliver: { to: out, name: ../x }', '2:27', 'deliver.name', 'without ..'],
  [
    'an unknown event',
    'notify: [{ on: [done], to: "sns:x" }]',
    '2:17',
    'notify[0].on[0]',
    'found "done", allowed: succeeded',
  ],
  ['a notification by mail', 'notify: [{ on: [late], to: "mailto:x" }]', '2:28', 'notify[0].to', 'sns:TOPIC'],
];

const IN_SPLIT: readonly Mistake[] = [
  ['an unknown split', 'by: cvs, size: 1MB', '2:23', 'by', 'found "cvs", allowed: lines, csv'],
  ['a split without by', 'size: 1MB', '2:17', 'by', 'is missing'],
  ['lines without every or size', 'by: lines', '2:17', '', 'input.split: requires every'],
  ['jsonl without every or size', 'by: jsonl', '2:17', '', 'input.split: requires every'],
  ['csv without every or size', 'by: csv, header: true', '2:17', '', 'input.split: requires every'],
  ['records without every or size', 'by: records, length: 4', '2:17', '', 'input.split: requires every'],
  ['every and size', 'by: csv, every: 1, size: 1MB', '2:38', 'size', 'both every and size'],
  ['every 0', 'by: lines, every: 0', '2:37', 'every', 'found 0'],
  ['a size of 0', 'by: lines, size: 0MB', '2:36', 'size', 'a size over 0'],
  ['a size of another unit', 'by: lines, size: 3 miles', '2:36', 'size', 'found "3 miles"'],
  ['a field of another split', 'by: jsonl, every: 1, header: true', '2:40', 'header', 'unknown field'],
  ['records without length', 'by: records, every: 9', '2:17', 'length', 'is missing'],
  ['a delimiter of two', 'by: csv, every: 1, delimiter: "||"', '2:49', 'delimiter', 'one ASCII character'],
  ['delimiter = quote', "by: csv, every: 1, delimiter: '\"'", '2:49', 'delimiter', 'two different'],
  ['a backward range', 'by: range, from: 5, to: 1', '2:43', 'to', 'allowed: from (5) or more'],
];

const IN_STEP: readonly Mistake[] = [
  ['a first step that gathers', 'gather: true', '4:13', 'gather', 'nothing to gather'],
  ['a map step that reads a directory', 'input: dir', '4:12', 'input', 'only for a gather'],
  ['a map step that reads a list', 'input: list', '4:12', 'input', 'only for a gather'],
  ['header once without a gather', 'header: once', '4:5', 'header', 'only a gather'],
  ['a join without a gather', 'join: bytes', '4:5', 'join', 'only a gather'],
  ['header twice', 'header: twice', '4:13', 'header', 'allowed: once'],
  ['a bad timeout', 'timeout: ten minutes', '4:14', 'timeout', 'found "ten minutes", allowed: a duration'],
  ['a timeout of 0', 'timeout: 0s', '4:14', 'timeout', 'over 0'],
  ['a stall of nothing', 'stall: null', '4:12', 'stall', 'found nothing'],
  ['attempts 0', 'attempts: 0', '4:15', 'attempts', 'found 0'],
  ['an invalid group name', 'group: GPU', '4:12', 'group', 'a group name'],
  ['needs slots 0', 'needs: { slots: 0 }', '4:21', 'needs.slots', 'a whole number from 1, or all'],
  ['needs slots many', 'needs: { slots: many }', '4:21', 'needs.slots', 'found "many"'],
  ['invalid needs of memory', 'needs: { memory: lots }', '4:22', 'needs.memory', 'a size over 0'],
  ['needs of another kind', 'needs: { gpu: 1 }', '4:14', 'needs.gpu', 'known: slots, memory, disk'],
  ['an invalid env name', 'env: { 1A: x }', '4:12', 'env["1A"]', 'not beginning with a digit'],
  ['an env name of batchctl', 'env: { BATCHCTL_JOB: x }', '4:12', 'env.BATCHCTL_JOB', 'not BATCHCTL_'],
  ['a secret that is no reference', 'secrets: { A: "vault:x" }', '4:19', 'secrets.A', 'env:NAME'],
  ['a secret file that is relative', 'secrets: { A: "file:x" }', '4:19', 'secrets.A', 'file:/absolute'],
  ['a secret that is in env', 'env: { A: 1 }\n    secrets: { A: "env:B" }', '5:16', 'secrets.A', 'also in env'],
  ['permanent 75', 'permanent: [65, 75]', '4:21', 'permanent[1]', 'except 75'],
  ['permanent 0', 'permanent: [0]', '4:17', 'permanent[0]', 'from 1 to 255'],
  ['permanent 256', 'permanent: [256]', '4:17', 'permanent[0]', 'from 1 to 255'],
  ['interruptions without fallback', 'interruptions: 3', '4:5', 'interruptions', 'needs fallback'],
  ['a fallback to its own group', 'group: gpu\n    fallback: gpu', '5:15', 'fallback', 'another group'],
  ['a group of rehearsals', 'group: rehearsal-abcde', '4:12', 'group', 'reserved for rehearsals'],
  ['a fallback to itself', 'fallback: default', '4:15', 'fallback', 'another group'],
  ['yes for true', 'gather: yes', '4:13', 'gather', 'found "yes", allowed: true or false'],
  ['an unknown output', 'output: nothing', '4:13', 'output', 'allowed: stdout, file, files, none'],
  ['an extension without a dot', 'output: file\n    extension: mkv', '5:16', 'extension', 'an extension such as .mkv'],
  ['an extension with a path', 'output: file\n    extension: ./x', '5:16', 'extension', 'letters, digits'],
  ['an extension of stdout', 'extension: .mkv', '4:5', 'extension', 'needs output: file'],
  ['an extension of files', 'output: files\n    extension: .mkv', '5:5', 'extension', 'needs output: file'],
  ['an explode into nothing', 'output: files\n    explode: true', '5:14', 'explode', 'a step after it'],
];

const IN_STEPS: readonly Mistake[] = [
  ['a duplicate step name', '{ name: t, run: x }\n{ name: t, run: y }', '4:13', '[1].name', 'also used by steps[0]'],
  ['a step named input', '{ name: input, run: x }', '3:13', '[0].name', 'a special meaning in expect'],
  [
    'an explode of one output',
    '{ name: s, run: x, explode: true }\n{ name: t, run: y }',
    '3:33',
    '[0].explode',
    'output: files',
  ],
  [
    'an explode into a gather',
    '{ name: s, run: x, output: files, explode: true }\n{ name: t, run: y, gather: true }',
    '3:48',
    '[0].explode',
    'not a gather',
  ],
  [
    'a join of outputs that are staged as files',
    '{ name: s, run: x }\n{ name: t, run: y, gather: true, input: dir, join: lines }',
    '4:50',
    '[1].join',
    'only a gather that reads joined outputs',
  ],
  [
    'a join of outputs that are listed',
    '{ name: s, run: x }\n{ name: t, run: y, gather: true, input: list, join: lines }',
    '4:51',
    '[1].join',
    'only a gather that reads joined outputs',
  ],
  [
    'an unknown join',
    '{ name: s, run: x }\n{ name: t, run: y, gather: true, join: text }',
    '4:44',
    '[1].join',
    'found "text", allowed: lines, bytes',
  ],
];

/** Fields of the job, on line 2. */
const job = (fields: string): string => `name: a\n${fields}\nsteps: [{ name: s, run: x }]\n`;
const split = (fields: string): string => job(`input: { split: { ${fields} } }`);
/** Fields of a step, on line 4 from column 5. */
const step = (fields: string): string => `name: a\nsteps:\n  - name: s\n    ${fields}\n    run: x\n`;
/** Steps on lines 3 and 4, from column 5. */
const steps = (lines: string): string => `name: a\nsteps:\n${lines.replace(/^/gm, '  - ')}\n`;

const SECTIONS: readonly (readonly [readonly Mistake[], (text: string) => string, prefix: string])[] = [
  [IN_FILE, (text) => text, ''],
  [IN_JOB, job, ''],
  [IN_SPLIT, split, 'input.split.'],
  [IN_STEP, step, 'steps[0].'],
  [IN_STEPS, steps, 'steps'],
];

describe('a mistake in a job file', () => {
  for (const [mistakes, textOf, prefix] of SECTIONS) {
    for (const [what, text, at, field, found] of mistakes) {
      it(`is reported with its place and field: ${what}`, async () => {
        const message = await messageOf(textOf(text));
        expect(message.split('\n')[0]).to.match(/^job\.yaml has 1 mistake:$/, message);
        expect(message).to.contain(`job.yaml:${at}: ${field === '' ? '' : `${prefix}${field}: `}`);
        expect(message).to.contain(found);
      });
    }
  }
});

describe('an oversized job file', () => {
  const many = (count: number, line: (n: number) => string): string =>
    Array.from({ length: count }, (_, n) => line(n)).join('');
  const minimal = 'name: a\nsteps: [{ name: s, run: x }]\n';

  it("is refused with one clear mistake, in time that doesn't grow with it", async () => {
    for (const [text, found] of [
      [`${minimal}x: &a 1\nl:\n${many(20_000, () => '- *a\n')}`, 'found more than 1000 aliases, allowed: 1000'],
      [`${minimal}l:\n${many(20_000, (n) => `- &a${n} 1\n`)}`, 'found more than 1000 anchors, allowed: 1000'],
      [`${minimal}${many(100_001, (n) => `k${n}: 1\n`)}`, 'found more than 100000 keys, values and signs'],
      [`${minimal}${many(10_001, (n) => `k${n}: 1\n`)}`, 'found more than 10000 fields and values, allowed: 10000'],
      [`${minimal}# ${many(20_000, () => '*a &b ')}\nx: |\n${many(20_000, () => '  *a &b\n')}`, 'unknown field "x"'],
      [
        `name: a\nsteps:\n${many(1_001, (n) => `- { name: s${n}, run: x }\n`)}`,
        'steps: found 1001, allowed: at most 1000',
      ],
      [`${minimal}notify: [${many(101, () => '1, ')}]`, 'notify: found 101, allowed: at most 100'],
      [`${minimal}x: ${'['.repeat(100)}${']'.repeat(100)}`, 'is nested more than 64 deep'],
      [`${minimal}x: ${'['.repeat(9_000)}${']'.repeat(9_000)}`, 'is nested too deeply to be read'],
    ] as const) {
      const began = process.cpuUsage();
      const message = await messageOf(text);
      const { user } = process.cpuUsage(began);
      expect(message).to.match(/^job\.yaml has 1 mistake:\njob\.yaml:\d+:\d+: .*$/);
      expect(message).to.contain(found);
      // The slowest of them once needed 40 s and more.
      expect(user / 1e6, found).to.be.below(8);
    }
  });

  it('may have an alias for an earlier anchor, but not one that expands too far', async () => {
    const spec = parseJobFile('name: a\nparams: { a: &x 1, b: *x }\nsteps: [{ name: s, run: x }]\n', {
      file: 'job.yaml',
    });
    expect(spec.params).to.deep.equal({ a: '1', b: '1' });
    expect(await messageOf('name: a\nx: &x { p: 1 }\nsteps: [{ name: s, run: x, needs: *x }]\n')).to.contain(
      'job.yaml:2:9: steps[0].needs.p',
    );
    const bomb = many(8, (n) => `b${n + 1}: &b${n + 1} [${many(9, () => `*b${n}, `)}]\n`);
    expect(await messageOf(`${minimal}b0: &b0 1\n${bomb}`)).to.match(/has 1 mistake:\n/);
  });

  it('has at most a hundred of its mistakes reported', async () => {
    for (const text of [
      `${minimal}${many(500, (n) => `k${n}: 1\n`)}`,
      `${minimal}params:\n${many(500, (n) => `  p-${n}: 1\n`)}`,
      `${minimal}input:\n  from:\n${many(500, (n) => `  - "{p${n}}"\n`)}`,
      `${minimal}expect:\n${many(500, (n) => `- t${n}.a == 1\n`)}`,
      `name: a\nsteps:\n${many(1_000, () => '- { name: s, run: x }\n')}`,
    ]) {
      const [first, ...rest] = (await messageOf(text)).split('\n');
      expect(first).to.equal('job.yaml has more than 100 mistakes; some of them are:');
      expect(rest).to.have.length(100);
    }
    expect((await messageOf(`${minimal}${many(100, (n) => `k${n}: 1\n`)}`)).split('\n')[0]).to.equal(
      'job.yaml has 100 mistakes:',
    );
  });

  it('has long names and texts shortened in reports', async () => {
    const long = 'x'.repeat(1_000_000);
    for (const field of [
      `${long}: 1`,
      `params: { ${long}-: 1 }`,
      `halt: ${long}`,
      `expect: ["${long}"]`,
      `input: { from: "{${long}}" }`,
    ])
      expect((await messageOf(`${minimal}${field}`)).length, field.slice(0, 20)).to.be.below(2_000);
  });
});

describe('a placeholder in a command', () => {
  const job = (run: string, more = ''): string =>
    `name: a\nparams: { region: EU }\nsteps:\n  - name: s\n    run: ${run}\n${more}`;
  const outputOf = (text: string): string | undefined => parseJobFile(text, { file: 'a.yaml' }).steps[0]?.output;

  it('{output} makes the output a file, unless files are asked for', () => {
    expect(outputOf(job('[x, "{output}"]'))).to.equal('file');
    expect(outputOf(job('[x, "--to={output}", "{output}"]', '    extension: .mkv\n'))).to.equal('file');
    expect(outputOf(job('[x, "{output}"]', '    output: files\n'))).to.equal('files');
    expect(outputOf(job('[x, "{{output}"]'))).to.equal('stdout');
    expect(outputOf(job('x {output}'))).to.equal('stdout');
    expect(outputOf(job('[x, "{output}"]').replace('region: EU', 'output: here'))).to.equal('stdout');
    const grid = 'input: { split: { by: grid, axes: { output: [a] } } }\n';
    expect(outputOf(job('[x, "{output}"]', grid))).to.equal('stdout');
    const own = job('[x, "{output}"]', '    output: none\n').replace('region: EU', 'output: here');
    expect(outputOf(own)).to.equal('none');
  });

  for (const output of ['stdout', 'none'])
    it(`{output} is a mistake with output: ${output}`, async () => {
      expect(await messageOf(job('[x, "{output}"]', `    output: ${output}\n`))).to.equal(
        `job.yaml has 1 mistake:\njob.yaml:6:13: steps[0].output: found ${output}, but {output} in run is the path of a file; allowed: file, files`,
      );
    });

  const VARIABLES: Readonly<Record<string, string>> = {
    item: 'BATCHCTL_PARAM_ITEM',
    period: 'BATCHCTL_PARAM_PERIOD',
    region: 'BATCHCTL_PARAM_REGION',
    name: 'BATCHCTL_INPUT_BASENAME',
    stem: 'BATCHCTL_INPUT_STEM',
  };
  for (const [name, variable] of Object.entries(VARIABLES)) {
    it(`{${name}} is a mistake in the text of a shell, where its value would be code, and names the variable`, async () => {
      expect(await messageOf(job(`[bash, -ec, "echo {${name}}"]`))).to.equal(
        `job.yaml has 1 mistake:\njob.yaml:5:22: steps[0].run[2]: found {${name}} in the text of a shell, which would read the value as code; use "$${variable}", or pass {${name}} as an argument after the text and use "$1"`,
      );
    });
  }

  it('an axis of a grid is one, too', async () => {
    const grid = 'input: { split: { by: grid, axes: { rate: [1, 2] } } }\n';
    expect(await messageOf(job('[env, sh, -c, "echo {rate}"]', grid))).to.include('use "$BATCHCTL_PARAM_RATE"');
  });

  it('is none as an argument after the text, in quotes of its own, or of an unknown name', () => {
    for (const run of [
      '[sh, -c, \'echo "$1"\', sh, "{item}"]',
      '[sh, -c, "echo {{item}"]',
      '[sh, -c, "f() {id}; f"]',
      '[sh, -c, "wc -l {input} {index}"]',
      '[echo, "{item}"]',
      '[sh, script.sh, "{item}"]',
    ])
      expect(outputOf(job(run)), run).to.equal('stdout');
  });
});

describe('a range', () => {
  it('may be of one number', () => {
    const { input } = parseJobFile(split('by: range, from: 5, to: 5'), { file: 'job.yaml' });
    expect(input?.split).to.deep.equal({ by: 'range', from: 5, to: 5 });
  });
});

describe('a job given as a value', () => {
  it('has no value twice in an axis, as a number and as text', () => {
    const input = { split: { by: 'grid', axes: { a: [1, '1'] } } };
    expect(() => specOfValue({ name: 'a', input, steps: [{ name: 's', run: 'x' }] }, { file: 'job.json' })).to.throw(
      BatchctlError,
      'which is also a[0]',
    );
  });

  it('has its mistakes reported without lines', () => {
    expect(() =>
      specOfValue({ name: 'a', steps: [{ name: 's', run: 'x', colour: 1 }] }, { file: 'job.json' }),
    ).to.throw(BatchctlError, /^job\.json has 1 mistake:\njob\.json: steps\[0\]\.colour: unknown field "colour"/);
  });
});

async function messageOf(text: string): Promise<string> {
  return (await failsWith('jobFile', (async () => parseJobFile(text, { file: 'job.yaml' }))())).message;
}
