// Verifies and makes JWTs with jose.
//
// stdin:  [{"token": text, "jwk": public key, "typ": text} |
//          {"payload": object, "header": object, "private": private key}]
// stdout: [{"verified": bool, "payload": object, "header": object, "error": text} |
//          {"token": text}]
import {readFileSync} from 'node:fs';
import {SignJWT, compactVerify, importJWK} from 'jose';

async function verified({token, jwk, typ}) {
  try {
    const key = await importJWK(jwk, jwk.crv === 'P-256' ? 'ES256' : 'EdDSA');
    const {payload, protectedHeader} = await compactVerify(token, key);
    return {
      verified: protectedHeader.typ === typ, header: protectedHeader,
      payload: JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(payload))
    };
  } catch(error) {
    return {verified: false, error: error.message};
  }
}

async function made({payload, header, private: jwk}) {
  const key = await importJWK(jwk, header.alg);
  return {token: await new SignJWT(payload).setProtectedHeader(header).sign(key)};
}

const answers = [];
for(const one of JSON.parse(readFileSync(0, 'utf8'))) {
  answers.push(await ('token' in one ? verified(one) : made(one)));
}
process.stdout.write(JSON.stringify(answers));
