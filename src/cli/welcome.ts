import path from 'node:path';
import type { RunningApp } from '../app.ts';
import type { Config } from '../config.ts';
import { selfCommand } from './self.ts';

/** What a person needs to know after a first start, on one screen. `generatedIn`: where generated secrets lie, or null. */
export const welcome = (
  { port: opened, metricsPort }: Pick<RunningApp, 'port' | 'metricsPort'>,
  config: Config,
  generatedIn: string | null,
): string[] => {
  const port = opened ?? config.PORT;
  const where = { port, dataDir: config.NOTAFTER_DATA_DIR };
  const command = selfCommand(where, null);
  const secrets =
    generatedIn === null
      ? []
      : [`  Tokens    in ${generatedIn}: admin-token, operator-token, viewer-token, ingest-token, source-key`];
  const first =
    generatedIn === null
      ? []
      : [
          '',
          '  Register a domain and send its first signed event, in a second terminal:',
          '',
          `      ${command} first-event shop.example.com`,
          '',
          '  Then a fleet of 200 domains, and a look at whether all is well:',
          '',
          `      ${command} demo`,
          `      ${selfCommand({ ...where, metricsPort }, null)} doctor`,
        ];
  return [
    '',
    'notafter is up. Ctrl-C ends it.',
    '',
    `  Console   http://localhost:${port}/console${generatedIn === null ? '' : '   (sign in with the token in admin-token, below)'}`,
    `  API       http://127.0.0.1:${port}   (described at /openapi.json)`,
    `  Metrics   http://127.0.0.1:${metricsPort}/metrics   (health at /livez and /readyz)`,
    `  Database  ${config.DATABASE_URL === undefined ? `embedded, in ${path.resolve(config.NOTAFTER_DATA_DIR, 'postgres')}` : 'as DATABASE_URL says'}`,
    `  Queues    ${config.REDIS_URL === undefined ? 'in the database (set REDIS_URL for more throughput)' : 'in Redis, as REDIS_URL says'}`,
    ...secrets,
    ...first,
    '',
  ];
};
