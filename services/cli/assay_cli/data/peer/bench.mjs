// How long @digitalbazaar/vc takes to issue and to verify what it is given, one after the other.
//
// stdin:  {"documents": {url: document}, "unsigned": [credential], "signed": [credential],
//          "method": url, "publicKeyMultibase": text, "secretKeyMultibase": text, "now": "…Z"}
// stdout: {"issue": seconds a credential, "verify": seconds a credential, "verified": count}
import {readFileSync} from 'node:fs';
import * as vc from '@digitalbazaar/vc';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';

const given = JSON.parse(readFileSync(0, 'utf8'));
const controller = given.method.split('#')[0];
const method = {
  '@context': 'https://w3id.org/security/multikey/v1',
  id: given.method, type: 'Multikey', controller, publicKeyMultibase: given.publicKeyMultibase
};
const documents = {
  ...given.documents,
  [given.method]: method,
  [controller]: {
    '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'],
    id: controller, verificationMethod: [method], assertionMethod: [method.id]
  }
};

async function documentLoader(url) {
  if(url in documents) {
    return {contextUrl: null, documentUrl: url, document: documents[url], tag: 'static'};
  }
  return vc.defaultDocumentLoader(url);
}

async function seconds(many, work) {
  // The first ones fill the caches of contexts, as they are in a server that has run for a while.
  for(const one of many.slice(0, 10)) {
    await work(one);
  }
  const began = process.hrtime.bigint();
  for(const one of many) {
    await work(one);
  }
  return Number(process.hrtime.bigint() - began) / 1e9 / many.length;
}

const key = await Ed25519Multikey.from(
  {...method, secretKeyMultibase: given.secretKeyMultibase});
const now = new Date(given.now);
let verified = 0;
const issue = await seconds(given.unsigned, credential => vc.issue({
  credential: structuredClone(credential), documentLoader, now,
  suite: new DataIntegrityProof({signer: key.signer(), cryptosuite})
}));
const verify = await seconds(given.signed, async credential => {
  const result = await vc.verifyCredential({
    credential: structuredClone(credential), documentLoader, now,
    suite: new DataIntegrityProof({cryptosuite}),
    // Neither side fetches lists here.
    checkStatus: async () => ({verified: true})
  });
  if(!result.verified) {
    throw result.error;
  }
  verified += 1;
});
process.stdout.write(JSON.stringify({issue, verify, verified}));
