import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));
const runtimeFile = fileURLToPath(new URL('./runtime.ts', import.meta.url));
const folder = path.join(root, '.node', 'failpoints');
const marker = /^( *)\/\/ failpoint: (\S+)$/gm;
/** Builds of other sources are kept this long: a test may still run them. */
const keptMs = 6 * 3_600_000;

interface Source {
  /** Relative to src/. */
  readonly file: string;
  readonly text: string;
}

const sources = (): Source[] =>
  readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => !/\.test\.tsx?$/.test(file) && statSync(path.join(root, 'src', file)).isFile())
    .toSorted()
    .map((file) => ({ file, text: readFileSync(path.join(root, 'src', file), 'utf8') }));

const namesIn = (text: string): string[] => [...text.matchAll(marker)].map(([, , name = '']) => name);

/** Every failpoint of the sources: the marks `// failpoint: room.window`, which mean nothing to the product's own build. */
export const failpointNames = (): string[] =>
  sources()
    .flatMap(({ text }) => namesIn(text))
    .toSorted();

/** A source with calls in place of its marks; no line moves. */
export const withCalls = ({ file, text }: Source): string => {
  if (namesIn(text).length === 0) return text;
  const up = path.posix.relative(path.posix.dirname(file), 'failpoint.ts');
  const specifier = up.startsWith('.') ? up : `./${up}`;
  return `import { failpoint } from '${specifier}'; ${text.replaceAll(marker, "$1await failpoint('$2');")}`;
};

const write = (base: string, given: readonly Source[]): void => {
  for (const source of given) {
    const target = path.join(base, 'src', source.file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, withCalls(source));
  }
  const names = JSON.stringify(given.flatMap(({ text }) => namesIn(text)));
  const start = "import { failpoints } from './failpoint-runtime.ts';";
  const made = `export const failpoint = failpoints(process.env['NOTAFTER_FAILPOINTS'] ?? '', ${names});`;
  writeFileSync(path.join(base, 'src', 'failpoint.ts'), `${start}\n${made}\n`);
  cpSync(runtimeFile, path.join(base, 'src', 'failpoint-runtime.ts'));
  const options = { rootDir: 'src', outDir: 'dist' };
  const config = { extends: path.join(root, 'tsconfig.build.json'), compilerOptions: options, include: ['src'] };
  writeFileSync(path.join(base, 'tsconfig.json'), JSON.stringify(config));
  for (const name of ['package.json', 'drizzle']) symlinkSync(path.join(root, name), path.join(base, name));
};

const compile = async (base: string): Promise<void> => {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', path.join(base, 'tsconfig.json')], { cwd: root });
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    throw new Error(`the failpoint build fails:\n${output}`, { cause: error });
  }
  const assets = path.join('http', 'console', 'assets');
  cpSync(path.join(base, 'src', assets), path.join(base, 'dist', assets), { recursive: true });
};

const stampOf = (given: readonly Source[]): string => {
  const hash = createHash('sha256')
    .update(readFileSync(runtimeFile))
    .update(readFileSync(fileURLToPath(import.meta.url)));
  for (const { file, text } of given) hash.update(`${file}\0${text}\0`);
  return hash.digest('hex').slice(0, 16);
};

const removeOld = (stamp: string): void => {
  const now = Date.now();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const made = path.join(folder, name);
    if (name !== stamp && now - statSync(made).mtimeMs > keptMs) rmSync(made, { recursive: true, force: true });
  }
};

/**
 * Builds the product with a call at every failpoint, in a folder of its own that the product's build knows nothing of; once
 * for the same sources, whoever asks. The failpoints do what NOTAFTER_FAILPOINTS says (see runtime.ts).
 *
 * @returns the path of its cli.js
 */
export const failpointBuild = async (): Promise<string> => {
  const given = sources();
  const stamp = stampOf(given);
  const base = path.join(folder, stamp);
  const cli = path.join(base, 'dist', 'cli.js');
  if (existsSync(cli)) return cli;
  removeOld(stamp);
  const fresh = `${base}.${randomUUID()}`;
  try {
    write(fresh, given);
    await compile(fresh);
    renameSync(fresh, base);
  } catch (error) {
    // Another has finished the same build first.
    if (!existsSync(cli)) throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return cli;
};
