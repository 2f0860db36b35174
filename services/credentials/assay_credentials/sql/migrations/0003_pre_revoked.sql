-- An award can be revoked, and the credential with it.
alter table credentials.award
  drop constraint award_standing_check,
  add constraint award_standing_check
    check (standing in ('held', 'withdrawn', 'suspended', 'under_review', 'expired', 'revoked'));
