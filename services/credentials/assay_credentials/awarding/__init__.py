"""Awards that follow decisions and people: by hand, merged people, the outreach realm."""
