import { execFileSync } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import path from 'node:path';
import { credentials } from '../../support/driver.ts';
import type { Scenario, World } from '../scenario.ts';
import { sources } from '../workload.ts';
import { untilCaughtUp } from './common.ts';

type Body = Readonly<Record<string, unknown>> & { readonly domain: string };

/** Sends a signed event past the journal: what a restore takes away is promised to nobody until it is sent again. */
const sendUnwritten = async (world: World, body: Body): Promise<void> => {
  const { secret } = sources[0];
  const text = JSON.stringify(body);
  const seconds = String(Math.floor(Date.now() / 1000));
  const response = await fetch(`${world.apis[0]?.app().url}/v1/domains/cert-events`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-cert-event-token': credentials.CERT_EVENT_INGEST_TOKEN,
      'x-cert-timestamp': seconds,
      'x-cert-signature': createHmac('sha256', secret).update(`${seconds}.${text}`).digest('hex'),
    },
    body: text,
  });
  await response.arrayBuffer();
  if (response.status !== 202) throw new Error(`an event was answered ${response.status}`);
};

/** Files of the server while it stands still, with owners and modes. */
const copy = (from: string, to: string): void => {
  execFileSync('rm', ['-rf', to]);
  execFileSync('cp', ['-a', from, to]);
};

const restoredOlder: Scenario = {
  row: 32,
  name: 'restored-older',
  title: 'the database is restored from a backup that is older than Redis',
  // What was told since the backup cannot be taken back, so nobody is told anything.
  world: { env: { CERT_ALERT_WEBHOOK_URL: '', CERT_RUNBOOK_WEBHOOK_URL: '', CERT_RUNBOOK_SIGNING_SECRET: '' } },
  run: async (world) => {
    const { postgres } = world;
    const [cluster, backup] = ['cluster', 'backup'].map((name) => path.join(postgres.server.dataDir, name));
    if (cluster === undefined || backup === undefined) return;
    const drive = await world.drive({ rate: 300, unresolved: 0.02 });
    await drive.untilAccepted(400);
    // The backup holds as pending what Redis will know as done.
    for (const worker of world.workers) worker.signal('SIGSTOP');
    await drive.untilAccepted(drive.accepted() + 300);
    await drive.stop();
    await postgres.stopAtOnce();
    copy(cluster, backup);
    await postgres.restart();
    for (const worker of world.workers) worker.signal('SIGCONT');
    await untilCaughtUp(world, Date.now(), 300_000);
    const later: Body[] = Array.from({ length: 100 }, (_, n) => ({
      sourceEventId: randomUUID(),
      source: sources[0].source,
      clusterId: sources[0].clusterId,
      domain: world.random.shuffle(world.domains)[0] ?? '',
      eventType: n % 2 === 0 ? 'renewal_failed' : 'renewal_succeeded',
    }));
    for (const body of later) await sendUnwritten(world, body);
    await untilCaughtUp(world, Date.now(), 300_000);

    // As the page on operations has it: nothing runs on a database that is being restored.
    for (const replica of [...world.apis, ...world.workers]) await replica.kill9();
    await postgres.stopAtOnce();
    copy(backup, cluster);
    await postgres.restart();
    for (const replica of [...world.apis, ...world.workers]) await replica.start();
    const since = Date.now();
    const ms = await untilCaughtUp(world, since);
    world.measured('s from the restore until all it had as pending was applied', ms / 1000, 's');
    for (const body of later) {
      const { status } = await world.tell(body);
      if (status !== 202) throw new Error(`an event that was sent again was answered ${status}`);
    }
  },
};

export const restoreScenarios: readonly Scenario[] = [restoredOlder];
