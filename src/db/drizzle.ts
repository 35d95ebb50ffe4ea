import { createRequire } from 'node:module';

// Drizzle's package.json lists a thousand exports and Node parses it anew for each of its ES modules: 240 MB and half a
// second at every start. Its CommonJS build is the same code for a tenth of both. Types are those of the package.
const require = createRequire(import.meta.url);
const core = require('drizzle-orm') as typeof import('drizzle-orm');
const pgCore = require('drizzle-orm/pg-core') as typeof import('drizzle-orm/pg-core');
const driver = require('drizzle-orm/postgres-js') as typeof import('drizzle-orm/postgres-js');
const migrator = require('drizzle-orm/postgres-js/migrator') as typeof import('drizzle-orm/postgres-js/migrator');
const migrations = require('drizzle-orm/migrator') as typeof import('drizzle-orm/migrator');

export const { and, asc, desc, eq, getTableColumns, gt, gte, inArray, isNotNull, isNull, lt, lte, ne, or, sql } = core;
export const {
  bigint,
  bigserial,
  boolean,
  check,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  pgView,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} = pgCore;
export const { drizzle } = driver;
export const { migrate: runMigrations } = migrator;
export const { readMigrationFiles } = migrations;
export type { SQL } from 'drizzle-orm';
export type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
