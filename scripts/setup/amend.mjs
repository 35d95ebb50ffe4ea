import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, SetupError } from './exec.mjs';

/**
 * What the installed text of a dependency is changed to until a release of it has the change (see
 * docs/decisions/memory.md). All for one reason: V8 makes a function that is written as the value of a property in the
 * old generation. What the function reaches is then kept until the next full collection: of a query or a command its text,
 * its parameters and all that was answered.
 */
const amendments = [
  {
    spec: 'postgres@3.4.9',
    file: 'src/query.js',
    from: `    this.resolve = x => (this.active = false, resolve(x))
    this.reject = x => (this.active = false, reject(x))
`,
    to: `    const onResult = x => (this.active = false, resolve(x))
    const onError = x => (this.active = false, reject(x))
    this.resolve = onResult
    this.reject = onError
`,
  },
  {
    spec: 'postgres@3.4.9',
    file: 'src/index.js',
    from: `      sql.prepare = x => prepare = x.replace(/[^a-z0-9$-_. ]/gi)
`,
    to: `      const onPrepare = x => prepare = x.replace(/[^a-z0-9$-_. ]/gi)
      sql.prepare = onPrepare
`,
  },
  {
    spec: 'postgres@3.4.9',
    file: 'src/index.js',
    from: `      connection = c
      move(c, reserved)
      c.reserved = () => queries.length
        ? c.execute(queries.shift())
        : move(c, reserved)
`,
    to: `      connection = c
      move(c, reserved)
      const onReady = () => queries.length
        ? c.execute(queries.shift())
        : move(c, reserved)
      c.reserved = onReady
`,
  },
  {
    spec: 'ioredis@6.0.0',
    file: 'built/Command.js',
    from: `            this.reject = (err) => {
                this._clearTimers();
                this.isSettled = true;
                if (this.errorStack) {
                    reject((0, utils_1.optimizeErrorStack)(err, this.errorStack.stack, __dirname));
                }
                else {
                    reject(err);
                }
            };
`,
    to: `            const onError = (err) => {
                this._clearTimers();
                this.isSettled = true;
                if (this.errorStack) {
                    reject((0, utils_1.optimizeErrorStack)(err, this.errorStack.stack, __dirname));
                }
                else {
                    reject(err);
                }
            };
            this.reject = onError;
`,
  },
  {
    spec: 'ioredis@6.0.0',
    file: 'built/Script.js',
    from: `                this.reject = (err) => {
                    if (err.message.indexOf("NOSCRIPT") !== -1) {
                        socketHasScriptLoaded.delete(socket);
                    }
                    origReject.call(this, err);
                };
`,
    to: `                const onError = (err) => {
                    if (err.message.indexOf("NOSCRIPT") !== -1) {
                        socketHasScriptLoaded.delete(socket);
                    }
                    origReject.call(this, err);
                };
                this.reject = onError;
`,
  },
];

/** Amendments that are still to be made, each with its file. */
function missing() {
  return amendments.flatMap((amendment) => {
    const at = amendment.spec.lastIndexOf('@');
    const folder = path.join(root, 'node_modules', amendment.spec.slice(0, at));
    if (!existsSync(folder)) return [];
    const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    const file = path.join(folder, amendment.file);
    const text = version === amendment.spec.slice(at + 1) ? readFileSync(file, 'utf8') : '';
    if (text.includes(amendment.to)) return [];
    if (!text.includes(amendment.from)) {
      throw new SetupError(
        `${amendment.spec} is amended in scripts/setup/amend.mjs, but ${version} is installed: see whether it still needs that, then change or remove the entry`,
      );
    }
    return [{ ...amendment, file }];
  });
}

/** True when every installed dependency has its amendments. */
export function depsAmended() {
  return missing().length === 0;
}

/** Makes the amendments that are missing. */
export function amendDeps() {
  for (const { file, from, to } of missing()) {
    // Into a new file: the one that is there may be a link into somebody's store of packages.
    const next = `${file}.amended`;
    writeFileSync(
      next,
      readFileSync(file, 'utf8').replace(from, () => to),
    );
    renameSync(next, file);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) amendDeps();
