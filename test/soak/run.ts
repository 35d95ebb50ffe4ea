import { setTimeout as sleep } from 'node:timers/promises';
import { flawsOf, untilSettled } from '../support/ledger.ts';
import type { Backend } from '../support/site.ts';
import { type Drive, startDrive } from './drive.ts';
import type { SoakOptions } from './options.ts';
import { judgeAll, type Line } from './report.ts';
import { type Sample, sampler } from './sample.ts';
import { openStage, type Stage } from './stage.ts';

export interface Verdict {
  readonly backend: Backend;
  readonly samples: readonly Sample[];
  readonly lines: readonly Line[];
  /** All that is wrong, in words; nothing when the run went well. */
  readonly wrong: readonly string[];
}

const minute = 60_000;
const day = 86_400_000;
// Of the whole run: retention has come into its stride when the part that is judged begins.
const ageShare = 1 / 12;

/** What must be so at the end: everything accepted is in the ledger or was removed by retention, and the state is its fold. */
const ledgerFaults = async ({ sql }: Stage, drive: Drive): Promise<string[]> => {
  await untilSettled(sql, 2 * minute);
  const [row] = await sql<{ rows: number; removed: number }[]>`
    select (select count(*)::float8 from certificate_lifecycle_events) as rows,
      (select coalesce(sum(removed), 0)::float8 from retention_walks where name in ('events', 'noted_events')) as removed`;
  const found = (row?.rows ?? 0) + (row?.removed ?? 0);
  const { sent, unknown } = drive.repeats();
  return [
    ...[...drive.refused()].map(([status, n]) => `${n} events were answered ${status === 0 ? 'nothing' : status}`),
    ...(found === drive.accepted()
      ? []
      : [`${drive.accepted()} events were accepted, but ${found} are there or were removed`]),
    ...(row?.removed === 0 ? ['retention removed nothing'] : []),
    ...(unknown === 0 ? [] : [`${unknown} of ${sent} repeats of old events were not known as repeats`]),
    ...(await flawsOf(sql)).slice(0, 20).map((flaw) => JSON.stringify(flaw)),
  ];
};

const progress = ({ seconds, figures }: Sample): string =>
  [
    `${(seconds / 60).toFixed(1)} min`,
    ...[
      'accepted',
      'removed',
      'ledger rows',
      'pending',
      'ack p99 ms',
      'apply p99 ms',
      'api RSS MB',
      'worker RSS MB',
      'tables MB',
      'Redis MB',
    ]
      .filter((name) => figures[name] !== undefined)
      .map((name) => `${name} ${(figures[name] ?? 0).toFixed(0)}`),
  ].join(' · ');

const sampleAll = async (
  take: (now: number) => Promise<Sample>,
  { minutes, everySeconds }: SoakOptions,
  started: number,
  say: (line: string) => void,
): Promise<Sample[]> => {
  const samples: Sample[] = [];
  let told = 0;
  for (let index = 1; index * everySeconds <= minutes * 60; index += 1) {
    await sleep(Math.max(0, started + index * everySeconds * 1000 - Date.now()));
    const sample = await take(Date.now());
    samples.push(sample);
    if (sample.seconds - told >= 55 || index === 1) {
      told = sample.seconds;
      say(progress(sample));
    }
  }
  return samples;
};

/** One run on one backend, from an empty stage to the verdict. */
export const soak = async (backend: Backend, options: SoakOptions, say: (line: string) => void): Promise<Verdict> => {
  const { rate, minutes, seed } = options;
  const ageMs = Math.max(minute / 2, minutes * minute * ageShare);
  const stage = await openStage(backend, Math.max(50, Math.ceil(rate * 5)), ageMs / day);
  try {
    say(
      `${backend}: ${rate} events a second for ${minutes} minutes, everything removed after ${(ageMs / minute).toFixed(1)} minutes`,
    );
    const started = Date.now();
    const drive = startDrive(stage, { rate, seed, repeatAfterMs: 1.7 * ageMs });
    const samples = await sampleAll(sampler(stage, drive, started), options, started, say);
    await drive.stop();
    const lines = judgeAll(samples);
    const rising = lines
      .filter(({ flat }) => !flat)
      .map(({ name, slope }) => `${name} rises by ${slope.toFixed(1)} an hour`);
    const { sent } = drive.repeats();
    say(`${drive.accepted()} events accepted, ${sent} old ones repeated, ${stage.received()} notices received`);
    return { backend, samples, lines, wrong: [...rising, ...(await ledgerFaults(stage, drive))] };
  } finally {
    await stage.close();
  }
};
