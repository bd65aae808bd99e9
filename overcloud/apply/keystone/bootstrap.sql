-- Keystone's first rows, as keystone-manage bootstrap has them: the domain Default, the
-- roles, the project and the user admin, the service and its endpoints. What is there
-- stays. @region, @url and @hash (NULL: the password stays) are set before, and what
-- follows either keeps it all or takes it back. @told counts what Keystone may remember
-- otherwise: a password and a URL that were.
SET @changes = 0, @again = 0, @told = 0, @now = CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED);

INSERT INTO project (id, name, extra, description, enabled, domain_id, parent_id, is_domain)
  SELECT 'default', 'Default', '{}', 'The default domain', 1, '<<keystone.domain.root>>', NULL, 1
  WHERE NOT EXISTS (SELECT 1 FROM project WHERE id = 'default');
SET @changes = @changes + ROW_COUNT();
INSERT INTO project (id, name, extra, description, enabled, domain_id, parent_id, is_domain)
  SELECT LOWER(HEX(RANDOM_BYTES(16))), 'admin', '{}', 'Bootstrap project for initializing the cloud.', 1, 'default', 'default', 0
  WHERE NOT EXISTS (SELECT 1 FROM project WHERE name = 'admin' AND domain_id = 'default');
SET @changes = @changes + ROW_COUNT();
SET @project = (SELECT id FROM project WHERE name = 'admin' AND domain_id = 'default');

-- The administrator.
SET @user = (SELECT user_id FROM local_user WHERE name = 'admin' AND domain_id = 'default'), @new = LOWER(HEX(RANDOM_BYTES(16)));
INSERT INTO user (id, extra, enabled, created_at, domain_id) SELECT @new, '{}', 1, UTC_TIMESTAMP(), 'default' WHERE @user IS NULL;
SET @changes = @changes + ROW_COUNT();
INSERT INTO local_user (user_id, domain_id, name, failed_auth_count) SELECT @new, 'default', 'admin', 0 WHERE @user IS NULL;
SET @changes = @changes + ROW_COUNT();
SET @user = COALESCE(@user, @new);
SET @local = (SELECT id FROM local_user WHERE user_id = @user);
UPDATE user SET enabled = 1 WHERE id = @user AND NOT COALESCE(enabled, 0);
SET @changes = @changes + ROW_COUNT();

-- Another password ends the one before, and the tokens that were had with it. Keystone goes
-- by the newest, whatever the clock was.
SET @now = GREATEST(@now, COALESCE((SELECT MAX(created_at_int) + 1 FROM password WHERE local_user_id = @local), 0));
UPDATE password SET expires_at = UTC_TIMESTAMP(), expires_at_int = @now
  WHERE @hash IS NOT NULL AND local_user_id = @local AND (expires_at_int IS NULL OR expires_at_int > @now);
SET @again = ROW_COUNT(), @told = @told + ROW_COUNT();
INSERT INTO revocation_event (user_id, issued_before, revoked_at) SELECT @user, UTC_TIMESTAMP(), UTC_TIMESTAMP() WHERE @again > 0;
INSERT INTO password (local_user_id, self_service, password_hash, created_at_int, created_at)
  SELECT @local, 0, @hash, @now, UTC_TIMESTAMP() WHERE @hash IS NOT NULL;
SET @changes = @changes + ROW_COUNT();

-- Roles that are made here cannot be changed or deleted (IMMU). A role implies the next.
INSERT INTO role (id, name, extra, domain_id) SELECT LOWER(HEX(RANDOM_BYTES(16))), 'reader', '{}', '<<null>>'
  WHERE NOT EXISTS (SELECT 1 FROM role WHERE name = 'reader' AND domain_id = '<<null>>');
SET @made = ROW_COUNT(), @reader = (SELECT id FROM role WHERE name = 'reader' AND domain_id = '<<null>>');
INSERT INTO role_option (role_id, option_id, option_value) SELECT @reader, 'IMMU', 'true' WHERE @made = 1;
SET @changes = @changes + @made;
INSERT INTO role (id, name, extra, domain_id) SELECT LOWER(HEX(RANDOM_BYTES(16))), 'member', '{}', '<<null>>'
  WHERE NOT EXISTS (SELECT 1 FROM role WHERE name = 'member' AND domain_id = '<<null>>');
SET @made = ROW_COUNT(), @member = (SELECT id FROM role WHERE name = 'member' AND domain_id = '<<null>>');
INSERT INTO role_option (role_id, option_id, option_value) SELECT @member, 'IMMU', 'true' WHERE @made = 1;
SET @changes = @changes + @made;
INSERT INTO role (id, name, extra, domain_id) SELECT LOWER(HEX(RANDOM_BYTES(16))), 'admin', '{}', '<<null>>'
  WHERE NOT EXISTS (SELECT 1 FROM role WHERE name = 'admin' AND domain_id = '<<null>>');
SET @made = ROW_COUNT(), @admin = (SELECT id FROM role WHERE name = 'admin' AND domain_id = '<<null>>');
INSERT INTO role_option (role_id, option_id, option_value) SELECT @admin, 'IMMU', 'true' WHERE @made = 1;
SET @changes = @changes + @made;
INSERT IGNORE INTO implied_role (prior_role_id, implied_role_id) VALUES (@member, @reader), (@admin, @member);
SET @changes = @changes + ROW_COUNT();
INSERT IGNORE INTO assignment (type, actor_id, target_id, role_id, inherited) VALUES ('UserProject', @user, @project, @admin, 0);
SET @changes = @changes + ROW_COUNT();
INSERT IGNORE INTO system_assignment (type, actor_id, target_id, role_id, inherited) VALUES ('UserSystem', @user, 'system', @admin, 0);
SET @changes = @changes + ROW_COUNT();

-- The catalog's entry of Keystone itself.
INSERT INTO region (id, description, extra) SELECT @region, '', '{}' WHERE NOT EXISTS (SELECT 1 FROM region WHERE id = @region);
SET @changes = @changes + ROW_COUNT();
INSERT INTO service (id, type, enabled, extra) SELECT LOWER(HEX(RANDOM_BYTES(16))), 'identity', 1, '{"name": "keystone"}'
  WHERE NOT EXISTS (SELECT 1 FROM service WHERE type = 'identity');
SET @changes = @changes + ROW_COUNT();
SET @service = (SELECT id FROM service WHERE type = 'identity' ORDER BY id LIMIT 1);
-- Of several endpoints of an interface Keystone's own takes the last; the others are somebody's.
UPDATE endpoint JOIN (SELECT MAX(id) AS id FROM endpoint WHERE service_id = @service AND region_id = @region GROUP BY interface) AS ours USING (id)
  SET url = @url WHERE BINARY url <> BINARY @url;
SET @changes = @changes + ROW_COUNT(), @told = @told + ROW_COUNT();
INSERT INTO endpoint (id, interface, service_id, url, extra, enabled, region_id)
  SELECT LOWER(HEX(RANDOM_BYTES(16))), kind.name, @service, @url, '{}', 1, @region
  FROM (SELECT 'public' AS name UNION SELECT 'internal' UNION SELECT 'admin') AS kind
  WHERE NOT EXISTS (SELECT 1 FROM endpoint WHERE interface = kind.name AND service_id = @service AND region_id = @region);
SET @changes = @changes + ROW_COUNT();
