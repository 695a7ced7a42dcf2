// Protects: the transcode example makes films that play: every frame is there, in its place, and the sound goes with it.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { installed } from '../support/run/lacking.ts';
import { Workspace } from '../support/workspace.ts';

const FOLDER = fileURLToPath(new URL('../../examples/transcode', import.meta.url));
const FRAME = 1 / 25;
const RATE = 8_000;

describe('the transcode example', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  before(() => {
    installed('ffmpeg');
  });

  const makeFilm = (seconds: number, name: string): string => {
    const path = here.path(name);
    command(join(FOLDER, 'make-film.sh'), String(seconds), path, '320x180');
    return path;
  };
  const runFilm = (film: string, ...more: readonly string[]) =>
    here.run(['run', join(FOLDER, 'film.yaml'), '--input', film, '-q', ...more]);

  it('cuts, encodes and joins a film without losing a frame, with the sound in step', async () => {
    const film = makeFilm(7, 'film.mkv');
    expectExit(await runFilm(film, '--set', 'segment=2', '-o', 'film.mp4'), 0);
    const made = here.path('film.mp4');
    expect(probe(made, 'v', 'nb_read_frames')).to.equal('175');
    expect(Number(probe(made, 'v', 'duration'))).to.be.closeTo(7, FRAME);
    expect(Number(probe(made, 'a', 'duration'))).to.be.closeTo(7, FRAME);
    // A doubled or a missing frame would shift all those after it: below 20 dB.
    expect(worstPicture(film, made)).to.be.greaterThan(28);
    const beeps = beepsOf(film);
    expect(beeps).to.have.length(7);
    beepsOf(made).forEach((at, second) => {
      expect(at, `the beep of second ${second}`).to.be.closeTo(beeps[second] ?? Number.NaN, FRAME);
    });
  });

  it('reports frames and seconds of film a second', async () => {
    expectExit(await runFilm(makeFilm(6, 'film.mkv'), '--set', 'segment=2', '-o', 'film.mp4'), 0);
    const { steps } = jsonOf(await here.run(['report', 'last', '--json']));
    const encode = steps.find(({ name }: { name: string }) => name === 'encode');
    // Three segments and the sound.
    expect(encode).to.include({ tasks: 4 });
    expect(encode.counters).to.deep.equal({ frames: '150', seconds: '6' });
    const { stdout } = await here.run(['report', 'last']);
    expect(stdout).to.match(/^counters encode: frames 150( \([\d.,]+\/s\))?, seconds 6( \([\d.,]+\/s\))?$/m);
  });

  it('joins a film without sound, and refuses a sound without a film for good', async () => {
    const film = makeFilm(4, 'film.mkv');
    command('ffmpeg', '-v', 'error', '-i', film, '-c', 'copy', '-an', here.path('mute.mkv'));
    command('ffmpeg', '-v', 'error', '-i', film, '-c', 'copy', '-vn', here.path('sound.mkv'));
    expectExit(await runFilm(here.path('mute.mkv'), '-o', 'mute.mp4'), 0);
    expect(probe(here.path('mute.mp4'), 'v', 'nb_read_frames')).to.equal('100');
    expect(probe(here.path('mute.mp4'), 'a', 'codec_type')).to.equal('');
    const { stderr } = expectExit(await runFilm(here.path('sound.mkv'), '-o', 'sound.mp4'), 5);
    expect(stderr).to.include('sound.mkv has no picture');
  });

  it('makes three heights of each film, named after it', async () => {
    mkdirSync(here.path('films'));
    for (const seconds of [1, 2]) makeFilm(seconds, `films/film ${seconds}.mkv`);
    const job = join(FOLDER, 'ladder.yaml');
    expectExit(await here.run(['run', job, '--input', 'films/*.mkv', '-q', '-o', 'ladder/', '--name', '{name}']), 0);
    const made = readdirSync(here.path('ladder')).sort();
    expect(made).to.deep.equal(
      [1, 2].flatMap((film) => ['144p', '240p', '360p'].map((height) => `film ${film}-${height}.mp4`)),
    );
    for (const name of made) {
      const path = here.path(`ladder/${name}`);
      expect(probe(path, 'v', 'height')).to.equal(/-(\d+)p/.exec(name)?.[1]);
      expect(probe(path, 'v', 'nb_read_frames')).to.equal(name.startsWith('film 1') ? '25' : '50');
      expect(probe(path, 'a', 'codec_name')).to.equal('aac');
    }
  });

  it('has scripts that are executable', () => {
    for (const name of readdirSync(FOLDER).filter((each) => each.endsWith('.sh')))
      expect(statSync(join(FOLDER, name)).mode & 0o111, name).to.equal(0o111);
  });
});

function command(program: string, ...args: readonly string[]): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args, { maxBuffer: 64 * 1024 * 1024 });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  return stdout;
}

/** A field of the first stream of a kind, as ffprobe prints it; empty if there is none. */
function probe(path: string, kind: 'v' | 'a', field: string): string {
  const show = ['-count_frames', '-select_streams', `${kind}:0`, '-show_entries', `stream=${field}`];
  return String(command('ffprobe', '-v', 'error', ...show, '-of', 'default=nokey=1:noprint_wrappers=1', path)).trim();
}

/** The peak signal-to-noise ratio, decibels, of the frame that differs most. */
function worstPicture(source: string, made: string): number {
  const compare = ['-lavfi', '[0:v][1:v]psnr=stats_file=-', '-f', 'null', '-'];
  const stats = String(command('ffmpeg', '-v', 'error', '-i', source, '-i', made, ...compare));
  return Math.min(
    ...[...stats.matchAll(/psnr_avg:([\d.]+|inf)/g)].map(([, value]) => Number(value === 'inf' ? 99 : value)),
  );
}

/** When the beep of each second begins, in seconds: it is four times as high as the tone below it. */
function beepsOf(path: string): readonly number[] {
  const filter = ['-af', 'highpass=f=700,highpass=f=700', '-ac', '1', '-ar', String(RATE), '-f', 's16le', '-'];
  const sound = command('ffmpeg', '-v', 'error', '-i', path, ...filter);
  const beeps: number[] = [];
  let quietUntil = -1;
  for (let at = 0; at + 1 < sound.length; at += 2) {
    const seconds = at / 2 / RATE;
    if (Math.abs(sound.readInt16LE(at)) < 400 || seconds < quietUntil) continue;
    beeps.push(seconds);
    quietUntil = seconds + 0.5;
  }
  return beeps;
}
