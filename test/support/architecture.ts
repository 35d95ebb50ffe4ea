import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Node, parseSync, Visitor } from 'oxc-parser';

/** A source file; the path is relative to src/, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What each room may import from the others. `cli` may import everything, `app` everything but `cli`. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  http: ['queues', 'db', 'lifecycle', 'net', 'config', 'config-rules', 'context', 'metrics', 'errors', 'source-keys'],
  processors: ['queues', 'db', 'lifecycle', 'probe', 'notify', 'config', 'context', 'metrics', 'errors'],
  queues: ['net', 'lifecycle', 'errors'],
  db: ['net', 'lifecycle', 'errors'],
  net: ['lifecycle', 'errors'],
  probe: ['net', 'lifecycle', 'errors'],
  notify: ['net', 'lifecycle', 'errors'],
  lifecycle: ['errors'],
  emit: ['lifecycle', 'errors'],
  embedded: ['errors'],
  config: ['config-variables', 'errors'],
  'config-rules': ['lifecycle', 'net', 'source-keys', 'errors'],
  'config-docs': ['config-variables'],
  credentials: ['config', 'lifecycle', 'source-keys', 'errors'],
  'config-variables': ['config-rules', 'config-retention', 'errors'],
  'config-retention': ['config-rules'],
  'source-keys': ['lifecycle', 'errors'],
  context: ['config', 'db', 'queues', 'metrics'],
  metrics: ['lifecycle', 'errors'],
  readiness: ['context', 'db', 'http', 'queues'],
  farewell: ['http'],
  clock: [],
  cleanups: ['queues', 'errors'],
  heap: [],
  errors: [],
};

/** Packages that one room alone imports. */
const onlyIn: Readonly<Record<string, string>> = {
  'drizzle-orm': 'db',
  postgres: 'db',
  bullmq: 'queues',
  ioredis: 'queues',
  pg: 'queues',
};

/** The pure core imports nothing that does IO. */
const lifecyclePackages = ['valibot', 'node:crypto', 'node:url'];
const clockReaders = /^(app\.ts|cli\.ts|cli\/)/;
const maxLines = 300;
const suppression = /@ts-(?:ignore|expect-error|nocheck)|(?:ox|es)lint-disable/;

/** Every .ts and .tsx file under `folder`, tests left out. */
export const readSources = (folder: string): SourceFile[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name))
    .map((name) => ({ path: name.split(path.sep).join('/'), text: readFileSync(path.join(folder, name), 'utf8') }));

/** Each breach of the rules of the house, as one sentence; none when all is well. */
export const findBreaches = (files: readonly SourceFile[]): string[] => {
  const facts = files.map((file) => ({ ...file, ...factsOf(file) }));
  return [
    ...facts.flatMap((file) => file.imports.flatMap((specifier) => importBreaches(file.path, specifier))),
    ...facts.flatMap(({ path: name, readsClock }) =>
      readsClock && !clockReaders.test(name) ? [`${name} reads the clock: take \`now\` as an argument`] : [],
    ),
    ...facts.flatMap(({ path: name, readsEnvironment }) =>
      readsEnvironment && name !== 'config.ts' ? [`${name} reads process.env: only config.ts does`] : [],
    ),
    ...files.flatMap(textBreaches),
    ...findCycles(new Map(facts.map(({ path: name, imports }) => [name, relativeImports(name, imports)]))),
  ];
};

const textBreaches = ({ path: name, text }: SourceFile): string[] => {
  const lines = text.split('\n').length - 1;
  return [
    ...(lines > maxLines ? [`${name} has ${lines} lines: ${maxLines} are allowed`] : []),
    ...(suppression.test(text) ? [`${name} suppresses a check: mend what it complains about`] : []),
  ];
};

interface Facts {
  readonly imports: readonly string[];
  readonly readsClock: boolean;
  readonly readsEnvironment: boolean;
}

const factsOf = ({ path: name, text }: SourceFile): Facts => {
  const { program, errors } = parseSync(name, text);
  if (errors.length > 0) throw new Error(`${name} cannot be parsed: ${errors[0]?.message}`);
  const imports: string[] = [];
  let [readsClock, readsEnvironment] = [false, false];
  const take = (source: Node | null): void => {
    if (source?.type === 'Literal' && typeof source.value === 'string') imports.push(source.value);
  };
  new Visitor({
    ImportDeclaration: ({ source }) => take(source),
    ExportNamedDeclaration: ({ source }) => take(source),
    ExportAllDeclaration: ({ source }) => take(source),
    ImportExpression: ({ source }) => take(source),
    TSImportType: ({ source }) => take(source),
    MemberExpression: (node) => {
      const member = memberName(node);
      readsClock ||= member === 'Date.now' || member === 'performance.now' || member === 'process.hrtime';
      readsEnvironment ||= member === 'process.env';
    },
    NewExpression: ({ callee, arguments: given }) => {
      readsClock ||= callee.type === 'Identifier' && callee.name === 'Date' && given.length === 0;
    },
  }).visit(program);
  return { imports, readsClock, readsEnvironment };
};

const memberName = (node: Node): string | undefined => {
  if (node.type !== 'MemberExpression' || node.object.type !== 'Identifier') return undefined;
  if (node.property.type === 'Identifier') return `${node.object.name}.${node.property.name}`;
  return node.property.type === 'Literal' ? `${node.object.name}.${String(node.property.value)}` : undefined;
};

const importBreaches = (from: string, specifier: string): string[] => {
  const room = roomOf(from);
  if (specifier.startsWith('.')) {
    const target = resolve(from, specifier);
    if (target.startsWith('..')) return [`${from} imports ${specifier}: nothing outside src/`];
    return mayReach(room, roomOf(target))
      ? []
      : [`${from} imports ${target}: ${room} may not import ${roomOf(target)}`];
  }
  const name = packageOf(specifier);
  const owner = onlyIn[name];
  if (owner !== undefined && owner !== room) return [`${from} imports ${name}: only ${owner} does`];
  if (room === 'lifecycle' && !lifecyclePackages.includes(name)) return [`${from} imports ${name}: lifecycle is pure`];
  return [];
};

const mayReach = (from: string, to: string): boolean => {
  if (from === to || from === 'cli') return true;
  if (from === 'app') return to !== 'cli';
  return mayImport[from]?.includes(to) ?? false;
};

const roomOf = (file: string): string => file.split('/')[0]?.replace(/\.tsx?$/, '') ?? '';

const packageOf = (specifier: string): string => {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
};

const resolve = (from: string, specifier: string): string => path.posix.join(path.posix.dirname(from), specifier);

const relativeImports = (from: string, imports: readonly string[]): string[] =>
  imports.filter((specifier) => specifier.startsWith('.')).map((specifier) => resolve(from, specifier));

/** Each import cycle once, types included, as `a → b → a`. */
const findCycles = (graph: ReadonlyMap<string, readonly string[]>): string[] => {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(file);
    if (seen >= 0) {
      cycles.push(`import cycle: ${[...trail.slice(seen), file].join(' → ')}`);
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
};
