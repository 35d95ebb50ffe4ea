// Prints "N passed, N failed[, N skipped]" from the JSON report of vitest given as argument.
import { readFileSync } from 'node:fs';

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // The run ended before it could report.
    return { success: false, numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}

const report = read(process.argv[2]);
const skipped = report.numPendingTests + report.numTodoTests;
// A file that cannot be loaded fails the run without a failed test.
const failed = report.success ? report.numFailedTests : Math.max(1, report.numFailedTests);
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
