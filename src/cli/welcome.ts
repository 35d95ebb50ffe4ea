import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningApp } from '../app.ts';
import type { Config } from '../config.ts';
import { shellWord } from './shell-word.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** How commands are given here: with what they need to find a server and secrets that are not at their usual place. */
const commandOf = (port: number, config: Config): string => {
  const dataDir = path.resolve(config.NOTAFTER_DATA_DIR);
  const words = [
    ...(port === 8080 ? [] : [`PORT=${port}`]),
    ...(dataDir === path.join(root, '.data') ? [] : [`NOTAFTER_DATA_DIR=${shellWord(dataDir)}`]),
    shellWord(path.relative(process.cwd(), path.join(root, 'scripts', 'notafter'))),
  ];
  return words.join(' ');
};

/** What a person needs to know after a first start, on one screen. `generatedIn`: where generated secrets lie, or null. */
export const welcome = (
  { port: opened, metricsPort }: Pick<RunningApp, 'port' | 'metricsPort'>,
  config: Config,
  generatedIn: string | null,
): string[] => {
  const port = opened ?? config.PORT;
  const command = commandOf(port, config);
  const secrets =
    generatedIn === null
      ? []
      : [`  Tokens    in ${generatedIn}: admin-token, operator-token, viewer-token, ingest-token, source-key`];
  const first =
    generatedIn === null
      ? []
      : [
          '',
          '  Register a domain and send its first signed event:',
          '',
          `      ${command} first-event shop.example.com`,
          '',
          `  A fleet to look at: ${command} demo     Is all well? ${command} doctor`,
        ];
  return [
    '',
    'notafter is up. Ctrl-C ends it.',
    '',
    `  API       http://127.0.0.1:${port}   (described at /openapi.json)`,
    `  Metrics   http://127.0.0.1:${metricsPort}/metrics   (health at /livez and /readyz)`,
    `  Database  ${config.DATABASE_URL === undefined ? `embedded, in ${path.resolve(config.NOTAFTER_DATA_DIR, 'postgres')}` : 'as DATABASE_URL says'}`,
    `  Queues    ${config.REDIS_URL === undefined ? 'in the database (set REDIS_URL for more throughput)' : 'in Redis, as REDIS_URL says'}`,
    ...secrets,
    ...first,
    '',
  ];
};
