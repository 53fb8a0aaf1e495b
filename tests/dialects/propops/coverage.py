"""What the vendor documents, and what we read where it is silent, each with the test that shows it."""

from typing import Final

from tests.dialects.coverage_shape import Behaviour


def _documented(text: str, test: str) -> Behaviour:
    return Behaviour("documented", text, test)


def _reading(text: str, test: str) -> Behaviour:
    return Behaviour("reading", text, test)


COVERAGE: Final = (
    # ---- the attachment page
    _documented("GET /attachment/<uuid> streams the file", "test_a_file_is_downloaded_by_its_uuid_alone"),
    _documented("Content-Type is the file's", "test_of_any_other_file_the_original_is_sent"),
    _documented("Content-Length is the file's", "test_a_file_is_downloaded_by_its_uuid_alone"),
    _documented("Prose: Content-Disposition attachment with the name", "test_a_file_is_downloaded_by_its_uuid_alone"),
    _documented("Sample: Content-Disposition inline with the name", "test_the_operator_may_choose_inline"),
    _documented(
        "api.system.attachment.view opens both URLs",
        "test_the_vendor_s_key_or_the_own_permission_opens_downloads",
    ),
    _documented("A bearer token is required", "test_without_a_uuid_a_token_is_asked_for_first"),
    _documented("Access is decided at every request", "test_a_file_outside_what_the_caller_sees_is_denied"),
    _documented("400 Attachment UUID is required", "test_without_a_uuid_it_is_required"),
    _documented(
        "403 You do not have permission to download this attachment",
        "test_the_permission_comes_before_the_record",
    ),
    _documented("403 Invalid security key", "test_a_security_key_is_refused_since_none_was_issued"),
    _documented("404 Attachment not found", "test_an_unknown_or_malformed_uuid_is_not_found"),
    _documented("404 File not found on server", "test_lost_bytes_are_said_to_be_lost"),
    _documented("Errors there are plain text", "test_every_failure_has_its_status_and_its_shape"),
    _documented("A JPEG thumbnail of a JPEG or PNG", "test_a_jpeg_or_png_has_a_jpeg_thumbnail_without_a_name"),
    _documented("The original of any other file", "test_of_any_other_file_the_original_is_sent"),
    _documented("?v= has no effect", "test_the_version_in_the_query_changes_nothing"),
    _documented("List of a case note's attachments", "test_each_list_names_what_its_files_hang_on"),
    _documented("List of a job's documents", "test_each_list_names_what_its_files_hang_on"),
    _documented("List of a job's photos", "test_each_list_names_what_its_files_hang_on"),
    _documented("List of a branch's documents", "test_each_list_names_what_its_files_hang_on"),
    _documented("Every example of the page", "test_every_example_is_answered_as_printed"),
    # ---- neighbouring pages
    _documented(
        "Log-in with e-mail and password: 64 hex digits, 90 days",
        "test_a_log_in_gives_a_token_of_64_hex_digits_for_90_days",
    ),
    _documented("A new log-in ends the earlier session", "test_a_new_log_in_ends_the_user_s_other_sessions"),
    _documented("Mobile sessions of 365 days", "test_a_mobile_session_lasts_365_days"),
    _documented(
        "api.security.mobile_auth.use guards mobile sessions",
        "test_a_mobile_session_needs_its_permission_and_a_valid_token",
    ),
    _documented(
        "Writes need a CSRF token, reads do not",
        "test_a_write_without_the_csrf_token_is_refused_and_changes_nothing",
    ),
    _documented(
        "A CSRF token is fetched and belongs to the session",
        "test_a_csrf_token_belongs_to_the_session_and_is_reusable",
    ),
    _documented(
        "It comes in JSON, in a form or in a header",
        "test_the_csrf_token_may_come_in_json_in_a_form_or_in_a_header",
    ),
    _documented("Permissions of the caller", "test_the_permissions_of_the_caller_by_the_vendor_s_keys"),
    _documented("Permission keys of jobs and case notes", "test_jobs_need_their_permissions"),
    _documented("Permission key of photos", "test_the_vendor_s_keys_open_their_source_alone"),
    _documented("Permission key of document thumbnails", "test_pictures_are_for_those_who_may_see_them"),
    _documented("403 in the envelope under /api/", "test_sources_need_their_permission"),
    _documented("401 in the envelope under /api/", "test_a_token_of_any_other_form_is_no_token"),
    _documented("400 names the parameter", "test_bad_queries_name_the_parameter"),
    _documented(
        "Staff see all, agents their branch, contractors their jobs",
        "test_agents_and_contractors_see_what_is_theirs",
    ),
    _documented("Another organisation's records are 404", "test_an_account_sees_nothing_of_another"),
    _documented("limit 1 to 200, 50 unless told; offset", "test_jobs_are_listed_newest_first_in_parts"),
    _documented("Rate headers on every answer", "test_every_answer_says_how_many_requests_are_left"),
    _documented("429 with Retry-After", "test_too_many_requests_of_a_caller_wait"),
    _documented("Limits by address too", "test_too_many_requests_of_an_address_without_a_token_wait"),
    _documented("Timing headers on every answer", "test_every_answer_says_how_many_requests_are_left"),
    _documented("Jobs: create, update, delete", "test_a_job_is_updated_member_by_member"),
    _documented("Jobs: list with filters, get", "test_jobs_are_filtered"),
    _documented("Jobs: has_photos and has_documents", "test_jobs_with_photos_or_documents_alone"),
    _documented("Jobs: photos_count and documents_count", "test_the_counts_are_those_of_the_files_that_hang_there_now"),
    _documented("Case notes: add and list with attachments_count", "test_case_notes_are_added_and_listed_newest_first"),
    _documented("Documents: upload and delete by form", "test_a_file_is_uploaded_listed_downloaded_and_deleted"),
    _documented("Photos: upload and delete by form", "test_a_file_is_uploaded_listed_downloaded_and_deleted"),
    _documented("Job documents drawn as JPEG, cached for a year", "test_a_pdf_document_is_drawn_and_cached_for_a_year"),
    _documented("A drawing where no picture can be made", "test_a_drawing_stands_for_a_document_that_cannot_be_drawn"),
    _documented("Sizes 50 to 500", "test_a_size_out_of_range_is_refused"),
    # ---- readings, with their number in the contract's last table
    _reading("2: attachment, inline by choice of the operator", "test_the_operator_may_choose_inline"),
    _reading("4: 401 in plain text", "test_without_a_uuid_a_token_is_asked_for_first"),
    _reading(
        "5: a security key is refused whenever one is sent",
        "test_a_security_key_is_refused_since_none_was_issued",
    ),
    _reading("6: a malformed UUID is not found", "test_an_unknown_or_malformed_uuid_is_not_found"),
    _reading(
        "7: token, UUID, permission, record, scope, bytes, in this order",
        "test_the_permission_comes_before_the_record",
    ),
    _reading("9: 200 pixels, upright, on white", "test_a_turned_photo_is_upright_and_transparency_is_white"),
    _reading("10: a fallback has the original's headers", "test_of_any_other_file_the_original_is_sent"),
    _reading("11: ranges, conditions, HEAD, private caching", "test_head_ranges_and_conditions_are_served"),
    _reading("12: a bearer token is 64 hex digits", "test_a_log_in_gives_a_token_of_64_hex_digits_for_90_days"),
    _reading("16: a CSRF token can be used again", "test_a_csrf_token_belongs_to_the_session_and_is_reusable"),
    _reading("17: 403 Invalid CSRF token", "test_a_write_without_the_csrf_token_is_refused_and_changes_nothing"),
    _reading("19: plain text outside /api/, JSON inside", "test_every_failure_has_its_status_and_its_shape"),
    _reading("20: count is the number of rows sent", "test_jobs_are_listed_newest_first_in_parts"),
    _reading("22: the four lists take limit and offset", "test_files_are_listed_newest_first_in_parts"),
    _reading("24: 429 Too many requests; the numbers are settings", "test_too_many_requests_of_a_caller_wait"),
    _reading("25: out of scope is 403 with the download's text", "test_what_is_others_is_denied_and_stays_as_it_is"),
    _reading("28: 200, and data names the new row", "test_a_file_is_uploaded_listed_downloaded_and_deleted"),
    _reading("29: list items", "test_each_list_names_what_its_files_hang_on"),
    _reading("30: uploads to case notes", "test_a_file_is_uploaded_listed_downloaded_and_deleted"),
    _reading(
        "31: a list without document_uuid, a picture with it",
        "test_a_branch_s_document_is_drawn_when_its_uuid_is_given",
    ),
    _reading("32: uploads to branches", "test_a_file_is_uploaded_listed_downloaded_and_deleted"),
    _reading("33: photos are kept as sent", "test_a_photo_is_kept_as_it_was_sent"),
    _reading("34: limits of size and type are 400", "test_limits_of_size_and_type_are_answered_400"),
    _reading("35: permission keys by pattern", "test_the_vendor_s_keys_open_their_source_alone"),
    _reading("36: a deleted file is not found", "test_a_file_is_uploaded_listed_downloaded_and_deleted"),
    _reading("37: account types by number", "test_the_permissions_of_the_caller_by_the_vendor_s_keys"),
    _reading("38: data of a new job", "test_a_job_is_created_found_and_described"),
    _reading("404 Resource not found", "test_an_unclaimed_path_is_not_found_in_the_envelope"),
    _reading("405 in plain text and in the envelope", "test_other_methods_are_refused_in_plain_text"),
    _reading("A missing file is 400, an unknown job 404", "test_missing_and_wrong_parts_are_named_and_change_nothing"),
    _reading("Names in any script", "test_any_name_comes_back_in_the_disposition"),
    _reading("An undecodable picture is sent as it is", "test_of_a_broken_picture_the_original_is_sent"),
    _reading("Guessing is limited", "test_guessing_is_limited_by_e_mail_and_address"),
    _reading("An operator's token is its own mobile session", "test_an_operator_s_token_is_its_own_mobile_session"),
)
