// Writes .env.example and the README's configuration table from the list of variables in src/config.ts.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { configTable, envExample, withConfigTable } from '../src/config-docs.ts';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('.env.example', root), envExample());

const readme = new URL('README.md', root);
if (existsSync(readme)) writeFileSync(readme, withConfigTable(readFileSync(readme, 'utf8'), configTable()));
