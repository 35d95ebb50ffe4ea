// Writes what is made from the sources: .env.example and the README's configuration table from src/config.ts, and
// docs/openapi.json from the routes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { configTable, envExample, withConfigTable } from '../dist/config-docs.js';
import { parseConfig } from '../dist/config.js';
import { createApp } from '../dist/http/app.js';
import { createMetrics } from '../dist/metrics.js';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('.env.example', root), envExample());

const readme = new URL('README.md', root);
if (existsSync(readme)) writeFileSync(readme, withConfigTable(readFileSync(readme, 'utf8'), configTable()));

// The description asks nothing of what an app runs on.
const ctx = { config: parseConfig({}, () => ''), metrics: createMetrics(), now: () => 0 };
const answer = await createApp(ctx, {}, async () => ({ ready: true, checks: {} })).request('/openapi.json');
writeFileSync(new URL('docs/openapi.json', root), `${JSON.stringify(await answer.json(), null, 2)}\n`);
