// Canonicalizes datasets with rdf-canonize.
//
// stdin:  [n-quads text, …]
// stdout: [canonical n-quads text, …]
import {readFileSync} from 'node:fs';
import {canonize} from 'rdf-canonize';

const answers = [];
for(const dataset of JSON.parse(readFileSync(0, 'utf8'))) {
  answers.push(await canonize(dataset, {
    algorithm: 'RDFC-1.0', inputFormat: 'application/n-quads', format: 'application/n-quads',
    maxWorkFactor: Infinity
  }));
}
process.stdout.write(JSON.stringify(answers));
