import type { RunningApp } from '../app.ts';
import type { Config } from '../config.ts';

/** What a person needs to know after a first start, on one screen. */
export const welcome = ({ port, metricsPort }: RunningApp, config: Config, generatedIn: string | null): string[] => {
  const secrets = generatedIn === null ? [] : ['', `  Tokens   ${generatedIn} (readable by you only): ingest-token, source-key, admin-token, operator-token, viewer-token`];
  const first =
    generatedIn === null
      ? []
      : ['', '  Register a domain and send its first signed event:', '', '    ./scripts/notafter first-event shop.example.com'];
  return [
    '',
    'notafter is up.',
    '',
    `  API      http://127.0.0.1:${port ?? config.PORT}   (description: /openapi.json)`,
    `  Metrics  http://127.0.0.1:${metricsPort}/metrics   (health: /livez, /readyz)`,
    `  Queues   ${config.REDIS_URL === undefined ? 'in PostgreSQL (set REDIS_URL for more throughput)' : 'in Redis'}`,
    `  Database ${config.DATABASE_URL === undefined ? `embedded, in ${config.NOTAFTER_DATA_DIR}/postgres` : 'as DATABASE_URL says'}`,
    ...secrets,
    ...first,
    '',
  ];
};
