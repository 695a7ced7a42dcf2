// Protects: the terminal recording of the README can be made again by its script, and shows the README's commands.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { markedBlocks } from './readme-blocks.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The header of a recording, and all that its terminal printed. */
function recordingIn(directory: string): { readonly header: unknown; readonly times: number[]; readonly text: string } {
  const [header, ...events] = readFileSync(join(directory, 'recording.cast'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.every(([, kind]: [number, string]) => kind === 'o')).to.equal(true);
  return {
    header,
    times: events.map(([time]: [number]) => time),
    text: events.map(([, , text]: [number, string, string]) => text).join(''),
  };
}

describe('the recording of a terminal', () => {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-recording-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  const commands = markedBlocks(readFileSync(join(ROOT, 'README.md'), 'utf8')).flatMap((block) =>
    block.kind === 'session' ? block.commands.map(({ text }) => text) : [],
  );

  it('is made by its script from a real run, with a still picture', async () => {
    const script = join(ROOT, 'docs/record-terminal.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, directory], { cwd: ROOT, stdio: 'inherit' });
    expect((await once(child, 'close'))[0]).to.equal(0);
    const { header, times, text } = recordingIn(directory);
    expect(header).to.include({ version: 2, width: 100, height: 30 });
    expect(times).to.deep.equal([...times].sort((a, b) => a - b));
    for (const command of commands) expect(text).to.include(`${command}\r\n`);
    expect(text)
      .to.match(/100% 8\/8/)
      .and.match(/proven.* \(succeeded\)/);
    const still = readFileSync(join(directory, 'recording.svg'), 'utf8');
    expect(still)
      .to.match(/^<svg /)
      .and.include('proven');
  });

  it('that is checked in shows the commands of the README: npm run docs:record', () => {
    const { text } = recordingIn(join(ROOT, 'docs'));
    for (const command of commands) expect(text).to.include(`${command}\r\n`);
  });
});
